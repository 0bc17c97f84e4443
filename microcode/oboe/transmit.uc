// Transmit: packets and messages through TBUF to the MACs. As firmware/tx.uc; but what is sent may begin anywhere in its
// buffer, and in mode ordered packets come from the reorder ring.
//
// The eight contexts take frames in turn. Inside the ordered section `take` a context gets a descriptor and as many
// consecutive TBUF elements as the frame has mpackets; outside it fills and validates them. The hardware sends elements
// in order of number, so frames leave in the order in which they were taken, whoever fills faster.

#include "structures.uc"
#include "../lib/media.uc"
#include "../lib/ordered.uc"
#include "../lib/packet.uc"

#define SEQUENCE_MASK 0xFF

.reg buffers tbuf_reference tbuf_control
.reg @taken, @sent                      // elements taken; elements sent as last read; both modulo 256
#if (defined(ORDER_ORDERED) && ENGINES_WORKER > 0)
#define REORDERING
#include "reorder.uc"
.reg @slot
#endif
.reg descriptor handle port element left place flags
.reg read $frame[2], $sequence
.reg write $control[2], $freed
.sig got, read_done, moved, controlled, put_done, turn_take

// Move 64 bytes to the element and go to the next of both.
//   cycles       3
#macro move_mpacket()
.reg reference
    alu_shf[reference, tbuf_reference, OR, element, <<MEDIA_REFERENCE_SHIFT]
    dram[tbuf_wr, --, place, 0, ELEMENT_QUADWORDS], structure[packet_buffers], indirect_ref, sig_done[moved]
    alu[place, place, +, ELEMENT_BYTES]
#endm

// Address of the element's control longwords, relative to tbuf_control.
//   out          register
//   cycles       1
#macro control_offset(out)
    alu_shf[out, --, B, element, <<3]
#endm

    state_base[buffers, packet_buffers]
    load_constant(tbuf_reference, MEDIA_REFERENCE)
    immed[tbuf_control, MSF_TBUF_CONTROL]
    br!=ctx[0, counted#]
    immed[@taken, 0]
    immed[@sent, 0]
#ifdef REORDERING
    immed[@slot, 0]
#endif
counted#:
    turn_begin(turn_take)
    immed[$control[1], 0]

next_frame#:
    ctx_arb[turn_take]

// In `take`: one context polls, with one command at a time.
poll#:
#ifdef REORDERING
.begin
.reg slot
.state_xfer entry[2] reorder_ring
    alu[slot, --, B, @slot]
    state_read[entry, reorder_ring, slot, 0, 2]
    alu[descriptor, --, B, entry[0]]
    beq[ring#], defer[1]
    alu[port, --, B, entry[1]]
    immed[entry[0], 0]
    state_write[entry, reorder_ring, slot, 0, 1]
    alu[slot, slot, +, 1]
    alu[--, slot, -, REORDER_SLOTS]
    bne[next_slot#]
    immed[slot, 0]
next_slot#:
    alu[@slot, --, B, slot]
    alu_shf[--, --, B, descriptor, <<(32 - OFFSET_SHIFT)]
    beq[poll#], defer[1]                // a mark: the packet was dropped
    alu_shf[left, --, B, descriptor, >>16]
    br[taken#]
.end
ring#:
#endif
    scratch[get, $frame[0], (TX_RING << 2), 0, 2], structure[tx_ring], ctx_swap[got]
    alu[descriptor, --, B, $frame[0]]
    beq[poll#], defer[2]
    alu[port, --, B, $frame[1]]
    alu_shf[left, --, B, descriptor, >>16]
taken#:
.begin
.reg elements in_use
    alu[elements, left, +, (ELEMENT_BYTES - 1)]
    alu_shf[elements, --, B, elements, >>ELEMENT_BITS]
room#:
    alu[in_use, elements, +, @taken]
    alu[in_use, in_use, -, @sent]
    alu[in_use, in_use, AND, SEQUENCE_MASK]
    alu[--, TBUF_ELEMENTS, -, in_use]
    bhs[take#]
    msf[read, $sequence, MSF_TX_SEQUENCE_0, 0, 1], ctx_swap[read_done]
    br[room#], defer[1]
    alu[@sent, --, B, $sequence]
take#:
    alu[element, (TBUF_ELEMENTS - 1), AND, @taken]
    alu[@taken, elements, +, @taken]
.end
    turn_pass(turn_take)
    descriptor_place(place, handle, descriptor, buffers)
    alu_shf[flags, port, OR, (CONTROL_SOP >> 8), <<8]

// All mpackets but the last are full.
mpacket#:
    move_mpacket()
    alu[--, ELEMENT_BYTES, -, left]
    bhs[last#]
.begin
.reg control at
    control_offset(at)
    ctx_arb[moved], defer[1]
    alu_shf[control, flags, OR, ELEMENT_BYTES, <<24]
    alu[$control[0], --, B, control]
    msf[write, $control[0], at, tbuf_control, 2], ctx_swap[controlled], defer[2]
    alu[left, left, -, ELEMENT_BYTES]
    alu[element, element, +, 1]
    alu[element, element, AND, (TBUF_ELEMENTS - 1)]
    br[mpacket#], defer[1]
    alu[flags, --, B, port]
.end

// The buffer is free once the last mpacket has left it.
last#:
.begin
.reg control at
    control_offset(at)
    alu_shf[control, flags, OR, left, <<24]
    ctx_arb[moved], defer[2]
    alu_shf[control, control, OR, (CONTROL_EOP >> 8), <<8]
    alu[$freed, --, B, handle]
    alu[$control[0], --, B, control]
    msf[write, $control[0], at, tbuf_control, 2], sig_done[controlled]
    scratch[put, $freed, (FREE_RING << 2), 0, 1], structure[free_ring], sig_done[put_done]
    ctx_arb[controlled, put_done], br[next_frame#]
.end
