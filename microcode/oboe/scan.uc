// The scanner: a context that finds the ring empty looks at a bucket of the flow table when one is due, in its section, and
// frees records that have expired. A round over all buckets takes about a time-out. Records that packets come to are
// looked at anyway (flow_table.uc).

#ifndef OBOE_SCAN_UC
#define OBOE_SCAN_UC

#include "structures.uc"
#include "message.uc"

#define BUCKET_BITS 4
#define SCAN_STEPS (FLOW_TIMEOUT >> (BUNDLE_BITS + BUCKET_BITS))

.reg @scan_time @scan_bucket            // when the last bucket was due; the next: bundle << 4 | bucket

// Once per context.
//   cycles       2
#macro scan_begin_task()
    immed[@scan_time, 0]
    immed[@scan_bucket, 0]
#endm

// The ring was empty: is a bucket due?
//   out_work     register: work word of the bucket
//   POLL#        label to branch to if not
//   cycles       7 if none is due, else 23 and a read
#macro scan_next(out_work, POLL)
.reg entry part
    local_csr_rd[timestamp_low]
    immed[part, 0]
    alu[entry, part, -, @scan_time]
    immed[out_work, (SCAN_STEPS & 0xFFFF)]
    immed_w1[out_work, (SCAN_STEPS >> 16)]
    alu[--, entry, -, out_work]
    blo[POLL]
    alu[@scan_time, --, B, part]
    alu[part, --, B, @scan_bucket]
    alu_shf[out_work, --, B, part, <<WORK_BUCKET]
    alu_shf[part, --, B, part, >>BUCKET_BITS]
    read_entry(entry, part)
    alu[part, @scan_bucket, +, 1]
    alu_shf[part, --, B, part, <<(32 - BUNDLE_BITS - BUCKET_BITS)]
    alu_shf[part, --, B, part, >>(32 - BUNDLE_BITS - BUCKET_BITS)]
    alu[@scan_bucket, --, B, part]
    entry_chip(part, entry)
    alu[--, part, XOR, @self]
    bne[POLL]
#ifdef ORDER_PINNED
    alu_shf[part, 0xF, AND, entry, >>24]
    alu[--, part, XOR, @number]
    bne[POLL]
#endif
#endm

// Free the records of a bucket that have expired. The context is in the bucket's section. Uses flow of the worker; runs
// service_evict.
//   in_work      register
//   cycles       60 and six reads; for an expired record a write, an add and the service's macro
#macro scan_bucket(in_work)
.reg now left age
    flow_first(in_work)
    local_csr_rd[timestamp_low]
    immed[now, 0]
    immed[left, (1 << WAYS_BITS)]
way#:
.begin
.state_xfer record[6] flow_table
    state_read[record, flow_table, flow, 0, 6]
    alu[age, now, -, record[RECORD_LAST_USED]]
    br_bclr[record[0], RECORD_LIVE, next_way#]
.end
    flow_timeout(age, expired#)
    br[next_way#]
expired#:
    service_evict()
.begin
.state_xfer record[1] flow_table
    immed[record[0], 0]
    state_write[record, flow_table, flow, 0, 1]
.end
    state_add[oboe_counters, EVENT_EXPIRED, 0, 1]
next_way#:
    alu[flow, flow, +, 1]
    alu[left, left, -, 1]
    bne[way#]
#endm

#endif
