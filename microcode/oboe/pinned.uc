// Order by pinning: the packets of a bundle come to one microengine's ring, its contexts take them in turn, and the CAM
// holds the buckets of the flow table that contexts are in. A context whose bucket is held queues behind the last one in
// it; a chain of contexts per bucket, in order of arrival.
//
// Entry c of the CAM belongs to context c, with the tag of its bucket if it is the last in its chain, else 0; there are
// more entries than contexts. Local memory holds who waits behind each context.

#ifndef OBOE_PINNED_UC
#define OBOE_PINNED_UC

#include "structures.uc"
#include "scan.uc"
#include "../lib/ordered.uc"

.local_mem waiting local 32 32          // a longword a context: 8 | context behind it, or 0
.sig turn_take, bucket_left
.addr bucket_left 4                     // so that 2 and 3 are left for DRAM commands
#define CAM_HIT 7
#ifdef LOCKS_BUNDLES
#define SECTION_SHIFT WORK_BUNDLE       // flows of one bundle share state: a section is a bundle's
#else
#define SECTION_SHIFT WORK_BUCKET
#endif

// Once per context.
//   in_engine, in_index  registers, not used here
//   cycles       13
#macro section_begin(in_engine, in_index)
.reg context at
    local_csr_rd[active_ctx_sts]
    immed[context, 0]
    alu[context, 7, AND, context]
    alu_shf[at, --, B, context, <<2]
    alu[at, at, +, (waiting)]
    local_csr_wr[active_lm_addr_0, at]
    immed[at, 0]
    nop
    nop
    alu[*l$index0, --, B, at]
    cam_write[context, at, 0]
    turn_begin(turn_take)
#endm

// Take a packet, or a bucket to scan (the descriptor is then 0), and its place in the chain of its bucket.
//   out_descriptor, out_work  registers
//   out_place    register: for section_enter
//   cycles       19 and a get; 8 more where the bucket is held
#macro section_take(out_descriptor, out_work, out_place)
.reg tag context at ring
.reg read $work[2]
.sig got
    ctx_arb[turn_take], defer[1]
    alu[ring, --, B, @work_ring]
poll#:
    scratch[get, $work[0], ring, 0, 2], structure[work_rings], ctx_swap[got]
    alu[out_descriptor, --, B, $work[0]]
    bne[packet#], defer[1]
    alu[out_work, --, B, $work[1]]
    scan_next(out_work, poll#)
packet#:
    alu_shf[tag, --, B, out_work, >>SECTION_SHIFT]
    alu[tag, tag, +, 1]                 // 0 is no bucket
    cam_lookup[out_place, tag]
    local_csr_rd[active_ctx_sts]
    immed[context, 0]
    alu[context, 7, AND, context]
    br_bclr[out_place, CAM_HIT, first#]
.reg before
    alu_shf[before, 0xF, AND, out_place, >>3]
    alu_shf[at, --, B, before, <<2]
    alu[at, at, +, (waiting)]
    local_csr_wr[active_lm_addr_0, at]
    immed[at, 0]
    cam_write[before, at, 0]
    nop
    alu[*l$index0, context, OR, 8]
first#:
    cam_write[context, tag, 0]
    turn_pass(turn_take)
#endm

// Come into the section: wait for the context before in the bucket's chain.
//   in_place     register, from section_take
//   cycles       2 or 3
#macro section_enter(in_place)
    br_bclr[in_place, CAM_HIT, entered#]
    ctx_arb[bucket_left]
entered#:
#endm

// Leave the section: the next in the bucket's chain may enter.
//   cycles       12, or 15 if there is one
#macro section_leave()
.reg context at behind
    local_csr_rd[active_ctx_sts]
    immed[context, 0]
    alu[context, 7, AND, context]
    alu_shf[at, --, B, context, <<2]
    alu[at, at, +, (waiting)]
    local_csr_wr[active_lm_addr_0, at]
    immed[at, 0]
    nop
    nop
    alu[behind, --, B, *l$index0]
    beq[alone#]
    alu[*l$index0, --, B, at]
    alu[behind, 7, AND, behind]
    alu[behind, behind, OR, ((&bucket_left) << 3)]
    local_csr_wr[same_me_signal, behind]
    br[left#]
alone#:
    cam_write[context, at, 0]
left#:
#endm

// Send the packet and leave its section: later ones of the flow come behind it on the transmit ring.
//   in_descriptor  register
//   cycles       2, a put and section_leave
#macro section_send(in_descriptor)
.begin
.reg write $send[2]
.sig put_done
    alu[$send[0], --, B, in_descriptor]
    alu[$send[1], --, B, @egress]
    scratch[put, $send[0], (TX_RING << 2), 0, 2], structure[tx_ring], ctx_swap[put_done]
.end
    section_leave()
#endm

// Leave the section without a packet.
//   cycles       section_leave
#macro section_skip()
    section_leave()
#endm

#endif
