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
#define AGE_FREE (-1)                    // as ages these two are older than any, and the first of them is taken
#define AGE_EXPIRED (-2)
#ifdef ORDER_PINNED
.structure flow_table element_bytes=32 count=(SLICES << SLICE_BITS) align=32 access=read,write sharing=me
#else
.structure flow_table element_bytes=32 count=(SLICES << SLICE_BITS) align=32 access=read,write sharing=chip
#endif

// The key as classify left it in the prefix. Uses packet_at of the worker.
//   out_protocol   register: RECORD_LIVE and the protocol, as a record's first longword
//   out_low, out_high, out_ports  registers
//   cycles         9, and a read
#macro flow_key(out_protocol, out_low, out_high, out_ports)
.reg read $$key[4]
.reg place
.sig key_read
    alu[place, packet_at, -, 16]
    dram[read, $$key[0], place, 0, 2], structure[packet_buffers], sig_done[key_read]
    ctx_arb[key_read]
    ld_field_w_clr[out_protocol, 0001, $$key[0]]
    alu_shf[out_protocol, out_protocol, OR, 1, <<RECORD_LIVE]
    alu[out_low, --, B, $$key[1]]
    alu[out_high, --, B, $$key[2]]
    alu[out_ports, --, B, $$key[3]]
#endm

// The first record of a bucket, to `flow` of the worker.
//   in_work      register
//   cycles       8, and a read
#macro flow_first(in_work)
.begin
.reg bundle bucket
.state_xfer slice[1] bundle_slices
    alu_shf[bundle, --, B, in_work, >>WORK_BUNDLE]
    state_read[slice, bundle_slices, bundle, 0, 1]
    alu_shf[flow, --, B, slice[0], <<SLICE_BITS]
    alu_shf[bucket, 0xF, AND, in_work, >>WORK_BUCKET]
    alu_shf[flow, flow, OR, bucket, <<WAYS_BITS]
.end
#endm

// Find the packet's record, or make one: in the bucket's first way that is FREE, else in the first that has expired, else
// in the one used longest ago, if that is allowed. Runs service_evict and service_new_flow. Uses flow of the worker.
//   in_work      register
//   in_protocol, in_low, in_high, in_ports  registers, from flow_key
//   REFUSED#     label to branch to where the flow gets no record
//   cycles       37, two reads and a write for a flow in its bucket's first way; 22 and a read for each other;
//                a new flow: 15, a write and an add, and the service's macros
#macro flow_find(in_work, in_protocol, in_low, in_high, in_ports, REFUSED)
.reg now oldest victim
    flow_first(in_work)
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
    alu[--, in_protocol, XOR, record[0]]
    bne[other#]
    alu[--, in_low, XOR, record[2]]
    bne[other#]
    alu[--, in_high, XOR, record[3]]
    bne[other#]
    alu[--, in_ports, XOR, record[4]]
    bne[other#]

// This flow's record; it may have expired, then the flow begins anew.
    flow_timeout(age, expired#)
    br[found#]

other#:
    br_bset[record[0], RECORD_LIVE, live#]
    immed[age, AGE_FREE]
    br[rated#]
live#:
    flow_timeout(age, stale#)
    br[rated#]
stale#:
    immed[age, AGE_EXPIRED]
rated#:
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
    alu[oldest, oldest, +, (-AGE_EXPIRED)]
    beq[expired#]
    alu[--, oldest, -, (AGE_FREE - AGE_EXPIRED)]
    beq[new#]
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
    alu[record[0], --, B, in_protocol]
    alu[record[1], --, B, in_work]
    alu[record[2], --, B, in_low]
    alu[record[3], --, B, in_high]
    alu[record[4], --, B, in_ports]
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
