// Records of flows. docs/oboe.md, section 4. The caller is in the section of the record's bucket.
//
// A record: LIVE and protocol; work word (bundle, bucket, signature); key (addresses, ports); last used; 0, 0.

#ifndef OBOE_FLOW_TABLE_UC
#define OBOE_FLOW_TABLE_UC

#include "structures.uc"
#include "message.uc"

#define WAYS_BITS 2
#define SLICE_BITS 6                    // 16 buckets of 4
#define RECORD_LIVE 31
#define RECORD_LAST_USED 5
#ifdef ORDER_PINNED
.structure flow_table element_bytes=32 count=(SLICES << SLICE_BITS) align=32 access=read,write sharing=me
#else
.structure flow_table element_bytes=32 count=(SLICES << SLICE_BITS) align=32 access=read,write sharing=chip
#endif
.structure bundle_slices element_bytes=4 count=(1 << BUNDLE_BITS) align=8 access=read sharing=chip

// Find the packet's record, or make one: in the bucket's way that is FREE, else in the one used longest ago, if that is
// allowed. Runs service_evict and service_new_flow. Uses flow and packet_at of the worker.
//   in_work      register
//   REFUSED#     label to branch to where the flow gets no record
//   cycles       48 and four reads or writes for a flow in its bucket's first way; 10 and a read for each other;
//                a new flow: 16 and two writes, and the service's macros
#macro flow_find(in_work, REFUSED)
.reg protocol low high ports now oldest victim
// The key, as classify left it.
.begin
.reg read $$key[4]
.reg place
.sig key_read
    alu[place, packet_at, -, 16]
    dram[read, $$key[0], place, 0, 2], structure[packet_buffers], sig_done[key_read]
.reg bundle
.state_xfer slice[1] bundle_slices
    alu_shf[bundle, --, B, in_work, >>WORK_BUNDLE]
    state_read[slice, bundle_slices, bundle, 0, 1]
    alu_shf[flow, --, B, slice[0], <<SLICE_BITS]
    ctx_arb[key_read]
    ld_field_w_clr[protocol, 0001, $$key[0]]
    alu_shf[protocol, protocol, OR, 1, <<RECORD_LIVE]
    alu[low, --, B, $$key[1]]
    alu[high, --, B, $$key[2]]
    alu[ports, --, B, $$key[3]]
.end
.begin
.reg bucket
    alu_shf[bucket, 0xF, AND, in_work, >>WORK_BUCKET]
    alu_shf[flow, flow, OR, bucket, <<WAYS_BITS]
.end
    local_csr_rd[timestamp_low]
    immed[now, 0]
    immed[oldest, 0]
    alu[victim, --, B, flow]

.begin
.reg age
.state_xfer record[6] flow_table
probe#:
    state_read[record, flow_table, flow, 0, 6]
    alu[--, in_work, XOR, record[1]]
    bne[other#], defer[1]
    alu[age, now, -, record[RECORD_LAST_USED]]
    alu[--, protocol, XOR, record[0]]
    bne[other#]
    alu[--, low, XOR, record[2]]
    bne[other#]
    alu[--, high, XOR, record[3]]
    bne[other#]
    alu[--, ports, XOR, record[4]]
    bne[other#]

// This flow's record; it may have expired, then the flow begins anew.
    flow_timeout(age, expired#)
    br[found#]

other#:
    br_bset[record[0], RECORD_LIVE, live#]
    immed[age, -1]                      // older than any
live#:
    alu[--, oldest, -, age]
    bhs[next_way#]
    alu[oldest, --, B, age]
    alu[victim, --, B, flow]
next_way#:
    alu[flow, flow, +, 1]
    alu[--, flow, AND, ((1 << WAYS_BITS) - 1)]
    bne[probe#]
.end

// Not there.
    alu[flow, --, B, victim]
    alu[--, oldest, +, 1]
    beq[new#]
    flow_timeout(oldest, expired#)
#ifdef ON_FULL_REFUSE
    state_add[oboe_counters, EVENT_REFUSED, 0, 1]
    br[REFUSED]
#else
    state_add[oboe_counters, EVENT_EVICTED, 0, 1]
    br[evict#]
#endif
expired#:
    state_add[oboe_counters, EVENT_EXPIRED, 0, 1]
evict#:
    service_evict()
new#:
.begin
.state_xfer record[6] flow_table
    alu[record[0], --, B, protocol]
    alu[record[1], --, B, in_work]
    alu[record[2], --, B, low]
    alu[record[3], --, B, high]
    alu[record[4], --, B, ports]
    alu[record[5], --, B, now]
    state_write[record, flow_table, flow, 0, 6]
.end
    state_add[oboe_counters, EVENT_NEW_FLOW, 0, 1]
    service_new_flow()
    br[ready#]
found#:
.begin
.state_xfer used[1] flow_table
    alu[used[0], --, B, now]
    state_write[used, flow_table, flow, RECORD_LAST_USED, 1]
.end
ready#:
#endm

// Branch if a record's age is beyond the time-out.
//   in_age       register, in steps of 16 cycles
//   STALE#       label
//   cycles       4
#macro flow_timeout(in_age, STALE)
.begin
.reg timeout
    immed[timeout, (FLOW_TIMEOUT & 0xFFFF)]
    immed_w1[timeout, (FLOW_TIMEOUT >> 16)]
    alu[--, timeout, -, in_age]
    blo[STALE]
.end
#endm

#endif
