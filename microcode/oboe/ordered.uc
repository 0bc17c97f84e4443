// Order by turns: all workers take from one ring. The contexts of all workers form a circle, in which two turns go round:
//
//   take      a packet from the ring
//             (outside: its key)
//   section   lookup, service
//             (outside: to the context's slot of the reorder ring)
//
// So packets pass the section in the order in which they were taken. A context's place in the circle is its slot; transmit
// empties the slots round the circle. A dropped packet leaves a mark, for its turn has been.

#ifndef OBOE_ORDERED_UC
#define OBOE_ORDERED_UC

#include "structures.uc"
#include "scan.uc"
#include "reorder.uc"
#include "../lib/ordered.uc"

// By the number of a microengine: that of the next one in the circle, as INTERTHREAD_SIG names it.
.structure worker_circle element_bytes=4 count=8 align=8 access=read sharing=chip

.reg @next_worker
.sig turn_take, turn_section
.addr turn_section 4                    // so that 2 and 3 are left for DRAM commands

// Give a turn to the next context of the circle.
//   TURN         signal
//   cycles       4, or 3 in the last context of a microengine
#macro circle_pass(TURN)
#if (ENGINES_WORKER == 1)
    turn_pass(TURN)
#else
    br=ctx[7, last#]
    turn_pass(TURN)
    br[passed#]
last#:
    alu[--, @next_worker, OR, (&TURN)]
    cap[fast_wr, alu, INTERTHREAD_SIG]
passed#:
#endif
#endm

// Once per context. The first context of the first worker gets the turns.
//   in_engine    register: number of the microengine
//   in_index     register: which worker it is
//   cycles       8, and a read
#macro section_begin(in_engine, in_index)
.begin
.state_xfer next[1] worker_circle
    state_read[next, worker_circle, in_engine, 0, 1]
    alu[@next_worker, --, B, next[0]]
.end
    alu[--, --, B, in_index]
    bne[begun#]
    turn_begin(turn_take)
    turn_begin(turn_section)
begun#:
#endm

// Take a packet, or a bucket to scan: the descriptor is then 0.
//   out_descriptor, out_work  registers
//   out_place    register: for section_enter
//   cycles       8, and a get
#macro section_take(out_descriptor, out_work, out_place)
.reg ring
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
    circle_pass(turn_take)
#endm

// Come into the section.
//   in_place     register, not used here
//   cycles       1
#macro section_enter(in_place)
    ctx_arb[turn_section]
#endm

// Leave the section and put something into the context's slot, once transmit has emptied it.
//   in_descriptor  register
//   cycles       16, two reads and a write
#macro section_send(in_descriptor)
    circle_pass(turn_section)
.reg engine slot
.begin
.reg context
.state_xfer index[1] engine_index
    identify(engine, context)
    state_read[index, engine_index, engine, 0, 1]
    alu_shf[slot, --, B, index[0], <<3]
    alu[slot, slot, OR, context]
.end
.begin
.state_xfer entry[2] reorder_ring
occupied#:
    state_read[entry, reorder_ring, slot, 0, 1]
    alu[--, --, B, entry[0]]
    bne[occupied#]
    alu[entry[0], --, B, in_descriptor]
    alu[entry[1], --, B, @egress]
    state_write[entry, reorder_ring, slot, 0, 2]
.end
#endm

// Leave the section without a packet.
//   cycles       as section_send
#macro section_skip()
.reg mark
    immed[mark, 1, <<16]                // a length, but no buffer
    section_send(mark)
#endm

#endif
