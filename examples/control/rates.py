"""A control program for the forwarder: every period it reads the counters and ages the flow table.

What the XScale computes is not emulated, only charged: `define_cost` says what it takes. All else goes through its
physical map, an access at a time.
"""

TIMER_CONTROL, TIMER_LOAD, TIMER_CLEAR = 0xC0020000, 0xC0020004, 0xC002000C
TIMER_ENABLE = 0x80
MAILBOX_0 = 0xDF000050  # where a host on the PCI bus looks
PROTOCOL, PACKETS = 12, 16  # bytes into an element of the flow table (microcode/services/forward/flow.uc)


def program(xscale, *, period_ticks, age_flows):
    """Publish what the forwarder counted and free the elements of quiet flows, every so many ticks of timer 0."""
    xscale.define_cost("decide", fixed_cycles=40, per_item_cycles=12)
    flow_table = xscale.structures["flow_table"]
    drop_counters = xscale.structures["drop_counters"]
    known = [0] * flow_table.count  # packets of each element, a period ago
    yield xscale.write(TIMER_LOAD, period_ticks)
    yield xscale.write(TIMER_CONTROL, TIMER_ENABLE)
    while True:
        yield xscale.wait(timers=(0,))
        yield xscale.write(TIMER_CLEAR, 1)
        counted = 0
        for reason in range(drop_counters.count):
            counted += yield xscale.read(drop_counters.address(reason))
        yield xscale.write(MAILBOX_0, counted & 0xFFFFFFFF)
        if age_flows:
            yield from _age(xscale, flow_table, known)


def _age(xscale, flow_table, known):
    """Take the flows out of the table that had no packet since the last time."""
    counts = []
    for element in range(flow_table.count):
        counts.append((yield xscale.read(flow_table.address(element, offset_bytes=PACKETS))))
    yield xscale.compute("decide", flow_table.count)
    for element, count in enumerate(counts):
        if count and count == known[element]:
            yield xscale.write(flow_table.address(element, offset_bytes=PROTOCOL), 0)
            yield xscale.write(flow_table.address(element, offset_bytes=PACKETS), 0)
            count = 0
        known[element] = count
