// The IPv4 forwarder. oracle.py says the same rules in Python.
//
// The eight contexts take packets from the microengine's own ring in turn and pass them on in turn:
//
//   take      a descriptor from the ring
//             (outside: header from DRAM, checks, longest-prefix match, next hop, new header to DRAM)
//   send      the flow's counters, then the descriptor to transmit
//
// A dropped packet takes its turn in `send` as well, and does nothing there.

#include "../../lib/structures.uc"
#include "../../lib/identity.uc"
#include "../../lib/ordered.uc"
#include "../../lib/packet.uc"
#include "header.uc"
#include "route.uc"
#include "flow.uc"

// Which worker a microengine is, by its number in the chip.
.structure engine_index element_bytes=4 count=8 align=8 access=read sharing=chip

#define TX_RING_NEARLY_FULL scr_ring/**/TX_RING/**/_status

.reg buffers work_ring context
.reg descriptor handle hash place frame reason
.reg type_word length_word fragment_word checksum_word addresses_word   // longwords 3 to 7 of the frame
.reg last behind                         // the longwords that hold the header's last two bytes, and the ports' end
.reg sum options total header
.reg source destination ports protocol port
.sig got, read_done, written, put_done, turn_take, turn_send

.begin
.reg engine
.state_xfer index[1] engine_index
    identify(engine, context)
    state_read[index, engine_index, engine, 0, 1]
    alu[work_ring, index[0], +, WORK_RING]
    alu_shf[work_ring, --, B, work_ring, <<2]
.end
    state_base[buffers, packet_buffers]
    turn_begin(turn_take)
    turn_begin(turn_send)

next_packet#:
    ctx_arb[turn_take]

// In `take`: one context polls the ring, with one command at a time.
.begin
.reg read $work[2]
poll#:
    scratch[get, $work[0], work_ring, 0, 2], structure[work_rings], ctx_swap[got]
    alu[descriptor, --, B, $work[0]]
    beq[poll#], defer[2]
    alu[hash, --, B, $work[1]]
    alu_shf[frame, --, B, descriptor, >>16]
.end
    turn_pass(turn_take)

// Longwords 2 to 9 of the frame: all of a header without options, and the ports behind it.
.begin
.reg read $$words[8]
    buffer_handle(handle, descriptor)
    buffer_offset(place, handle)
    alu[place, place, +, buffers]
    dram[read, $$words[0], place, 8, 4], structure[packet_buffers], sig_done[read_done]
    ctx_arb[read_done]
    alu[type_word, --, B, $$words[1]]
    alu[length_word, --, B, $$words[2]]
    alu[fragment_word, --, B, $$words[3]]
    alu[checksum_word, --, B, $$words[4]]
    alu[addresses_word, --, B, $$words[5]]
    alu[last, --, B, $$words[6]]
    alu[behind, --, B, $$words[7]]
.end
    check_header(options, total, header, type_word, length_word, frame, reason, drop#)
    dbl_shf[source, checksum_word, addresses_word, >>16]
    dbl_shf[destination, addresses_word, last, >>16]
    sum_begin(sum, type_word, length_word, fragment_word, checksum_word, addresses_word)
    alu[--, --, B, options]
    bne[with_options#]
summed#:
    dbl_shf[ports, last, behind, >>16]
    sum_end(sum, last)
    immed[reason, DROP_BAD_CHECKSUM]
.begin
.reg ones
    immed[ones, 0xFFFF]
    alu[--, sum, XOR, ones]
    bne[drop#]
.end

    immed[reason, DROP_TTL_EXPIRED]
    alu_shf[--, 0xFE, AND, fragment_word, >>8]          // 0 or 1
    beq[drop#]

    flow_protocol(protocol, fragment_word)
    alu[header, header, +, PORTS_BYTES]
    flow_ports(ports, fragment_word, total, header)

.begin
.reg hop
    route_lookup(hop, destination)
    immed[reason, DROP_NO_ROUTE]
    alu[hop, hop, -, 1]
    blo[drop#]

// The new header: longwords 0 to 7 of the frame.
.reg write $$out[8]
.state_xfer next[4] next_hops
    state_read[next, next_hops, hop, 0, 4]
    alu[$$out[0], --, B, next[0]]
    alu[$$out[1], --, B, next[1]]
    alu[$$out[2], --, B, next[2]]
    alu[$$out[3], --, B, type_word]
    alu[$$out[4], --, B, length_word]
.reg ttl_word one
    alu_shf[one, --, B, 1, <<8]
    alu[$$out[5], fragment_word, -, one]
    checksum_after_ttl(checksum_word)
    alu[$$out[6], --, B, checksum_word]
    alu[$$out[7], --, B, addresses_word]
    dram[write, $$out[0], place, 0, 4], structure[packet_buffers], sig_done[written]
    alu[port, --, B, next[3]]
    ctx_arb[written, turn_send]
.end

// In `send`. One put at a time: rings are nearly full with room for one descriptor of each worker.
    flow_count(hash, source, destination, ports, protocol, total)
.begin
.reg write $send[2]
    alu[$send[0], --, B, descriptor]
    alu[$send[1], --, B, port]
send#:
    br_!inp_state[TX_RING_NEARLY_FULL, put#]
    pause(tx_ring)
    br[send#]
put#:
    scratch[put, $send[0], (TX_RING << 2), 0, 2], structure[tx_ring], ctx_swap[put_done]
.end
    br[next_packet#], defer[1]
    turn_pass(turn_send)

drop#:
    buffer_drop(handle, reason)
    ctx_arb[turn_send]
    br[next_packet#], defer[1]
    turn_pass(turn_send)

// Options: add their longwords, and find what stands behind them. Longwords 8 to 19 hold the longest header.
with_options#:
.begin
.reg read $$more[12]
.reg first left
    dram[read, $$more[0], place, 32, 6], structure[packet_buffers], sig_done[read_done]
    ctx_arb[read_done], defer[2]
    alu_shf[first, --, B, context, <<4]
    alu[left, --, B, options]
    alu[first, first, +, (&$$more[0])]
    alu_shf[first, --, B, first, <<2]
    local_csr_wr[t_index, first]
    nop
    nop
    nop
add#:
    alu[sum, sum, +, *$$index++]
    alu[sum, sum, +carry, 0]
    alu[left, left, -, 1]
    bne[add#]
    alu[last, --, B, *$$index++]
    br[summed#], defer[1]
    alu[behind, --, B, *$$index]
.end
