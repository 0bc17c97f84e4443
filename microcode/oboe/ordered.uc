// Order by turns: all workers take from one ring. The contexts of all workers form a circle, in which the turn to take a
// packet goes round. Two orders follow from it:
//
//   flows     with its packet a context takes the next number of the packet's section, a bucket of the flow table; lookup
//             and service begin when all lower numbers have left it. Packets of different buckets do not wait
//   leaving   a context's place in the circle is its slot in the reorder ring; transmit empties the slots round the
//             circle. A dropped packet leaves a mark, for its turn has been
//
// A context waits only for packets taken before its own, so none waits for ever.

#ifndef OBOE_ORDERED_UC
#define OBOE_ORDERED_UC

#include "structures.uc"
#include "scan.uc"
#include "reorder.uc"
#include "../lib/ordered.uc"

// Numbers of a section: given out, and behind the last packet that has left. Several buckets share one.
#define SECTION_BITS 8
#define SECTION_GIVEN 0
#define SECTION_LEFT 1
.structure section_numbers element_bytes=8 count=(1 << SECTION_BITS) align=8 access=read,write,add sharing=chip
#ifdef LOCKS_BUNDLES
#define SECTION_SHIFT WORK_BUNDLE       // flows of one bundle share state: a section is a bundle's
#else
#define SECTION_SHIFT WORK_BUCKET
#endif

// By the number of a microengine: that of the next one in the circle, as INTERTHREAD_SIG names it.
.structure worker_circle element_bytes=4 count=8 align=8 access=read sharing=chip

.reg @next_worker
.reg section                            // of the packet under way
.sig turn_take

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

// Once per context. The first context of the first worker gets the turn.
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
begun#:
#endm

// Take a packet, or a bucket to scan: the descriptor is then 0.
//   out_descriptor, out_work  registers
//   out_place    register: its number in its section, for section_enter
//   cycles       16, a get, a read and a write
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
.begin
.state_xfer number[1] section_numbers
    alu_shf[section, --, B, out_work, >>SECTION_SHIFT]
    alu_shf[ring, --, B, section, >>6]                  // the lower bits of a bundle may be those of the chip
    alu[ring, section, XOR, ring]
    alu_shf[ring, --, B, ring, <<(32 - SECTION_BITS)]
    alu_shf[section, --, B, ring, >>(32 - SECTION_BITS)]
    state_read[number, section_numbers, section, SECTION_GIVEN, 1]
    alu[out_place, --, B, number[0]]
    alu[number[0], out_place, +, 1]
    state_write[number, section_numbers, section, SECTION_GIVEN, 1]
.end
    circle_pass(turn_take)
#endm

// Come into the section: wait until the packet before has left it.
//   in_place     register, from section_take
//   cycles       2, and a read, each time it looks
#macro section_enter(in_place)
.begin
.state_xfer left[1] section_numbers
not_yet#:
    state_read[left, section_numbers, section, SECTION_LEFT, 1]
    alu[--, in_place, XOR, left[0]]
    bne[not_yet#]
.end
#endm

// Leave the section and put something into the context's slot, once transmit has emptied it.
//   in_descriptor  register
//   cycles       12, two reads, an add and a write
#macro section_send(in_descriptor)
    state_add[section_numbers, section, SECTION_LEFT, 1]
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
