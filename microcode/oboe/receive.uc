// Receive: mpackets from RBUF to packet buffers in DRAM, frames to the ring of classify, in the order of arrival.
//
// As firmware/rx.uc, with two differences: frames are not spread over workers, which classify does, and a frame that
// finds the ring nearly full is dropped and counted: what waits behind it may be what the workers wait for. Messages of
// the control channel have a ring of their own.

#include "structures.uc"
#include "message.uc"
#include "../lib/identity.uc"
#include "../lib/media.uc"
#include "../lib/ordered.uc"
#include "../lib/packet.uc"

// Local memory: four longwords a port: the frame's buffer handle (bit 31: bad), its bytes so far, and whether it is a
// message of the control channel.
#define PORT_STATE_SHIFT 4
#define PORT_MASK 0xF
#define BAD 31

.reg buffers rbuf_reference rbuf_done freelist
.reg element handle length port control
.reg read $status[2], $fresh
#ifdef ENGINES_CONTROL
.reg link_ports rbuf_words
.reg read $words[2]
.sig peeked
#endif
.reg write $work[2]
.sig arrived, fresh_ready, moved, put_done, turn_move, turn_deliver

// Fetch the handle for a later frame; fresh_ready follows. 0 if no buffer is free.
//   cycles       1
#macro fetch_buffer()
    scratch[get, $fresh, (FREE_RING << 2), 0, 1], structure[free_ring], sig_done[fresh_ready]
#endm

// Ask for an mpacket and leave `deliver`.
//   cycles       2
#macro ask()
    msf[fast_wr, --, freelist, 0]
    turn_pass(turn_deliver)
#endm

// Look at a frame's longwords 3 and 4 in its first element: control becomes 1 for a message of the control channel,
// which only comes from a link.
//   cycles       2; then 4 to 11
#macro peek()
#ifdef ENGINES_CONTROL
.reg header
    alu_shf[header, --, B, element, <<ELEMENT_BITS]
    msf[read, $words[0], header, rbuf_words, 2], sig_done[peeked]
    ctx_arb[moved, peeked]
.reg wanted
    alu[--, port, OR, 0]
    alu_shf[control, 1, AND, link_ports, >>indirect]
    beq[looked#]
    immed[wanted, MESSAGE_TYPE]
    alu_shf[header, --, B, $words[0], >>16]
    alu[--, wanted, XOR, header]
    bne[data#]
    alu_shf[header, 0xF, AND, $words[1], >>24]          // types 0, 8 and 9 go with the packets
    alu[--, header, -, MESSAGE_DISPATCH]
    beq[data#]
    alu[wanted, header, -, MESSAGE_MARKER]
    alu[--, 1, -, wanted]
    blo[looked#]
data#:
    immed[control, 0]
looked#:
#else
    ctx_arb[moved]
#endif
#endm

// The word that frees an element, for msf[fast_wr].
//   out_done     register
//   cycles       1
#macro element_done(out_done)
    alu_shf[out_done, rbuf_done, OR, element, <<16]
#endm

.begin
.reg engine context
    identify(engine, context)
    freelist_entry(freelist, engine, context, $status[0], arrived)
.end
    state_base[buffers, packet_buffers]
    alu[buffers, buffers, +, FRAME_OFFSET]
    load_constant(rbuf_reference, MEDIA_REFERENCE)
#ifdef ENGINES_CONTROL
    immed[rbuf_words, (MSF_BUFFERS + 12)]
.begin
.state_xfer identity[2] chip_identity
    state_read[identity, chip_identity, 0, 0, 2]
    alu[link_ports, --, B, identity[IDENTITY_LINK_PORTS]]
.end
#else
    immed[control, 0]
#endif
    immed[rbuf_done, MSF_RBUF_ELEMENT_DONE]
    turn_begin(turn_move)
    turn_begin(turn_deliver)
    fetch_buffer()
    ctx_arb[turn_deliver, fresh_ready], br[ask_first#]

// In `deliver`, no buffer at hand: wait for one. This context alone asks.
refill#:
    fetch_buffer()
    ctx_arb[fresh_ready]
ask_first#:
    alu[--, --, B, $fresh]
    beq[refill#]
ask_next#:
    ask()
    ctx_arb[arrived, turn_move]

// In `move`.
accept#:
    br!=byte[$status[0], 1, STATUS_WHOLE_FRAME, part#], defer[1]
    alu[port, PORT_MASK, AND, $status[0]]

    // A frame of one mpacket: the port's state is not concerned.
.begin
.reg place reference done
    alu_shf[element, 0x7F, AND, $status[0], >>24]
    alu[handle, --, B, $fresh]
    buffer_offset(place, handle)
    alu_shf[reference, rbuf_reference, OR, element, <<MEDIA_REFERENCE_SHIFT]
    dram[rbuf_rd, --, place, buffers, ELEMENT_QUADWORDS], structure[packet_buffers], indirect_ref, sig_done[moved]
    fetch_buffer()
    turn_pass(turn_move)
    alu_shf[length, 0xFF, AND, $status[0], >>16]
    element_done(done)
    peek()
    msf[fast_wr, --, done, 0]
.end
    ctx_arb[turn_deliver, fresh_ready]

// In `deliver`, a whole frame.
deliver#:
#ifdef ENGINES_CONTROL
    br_bset[control, 0, to_control#], defer[1]
    alu_shf[$work[0], handle, OR, length, <<16]
#else
    alu_shf[$work[0], handle, OR, length, <<16]
#endif
    br_inp_state[scr_ring0_status, full#], defer[1]
    alu[$work[1], --, B, port]
    scratch[put, $work[0], (CLASSIFY_RING << 2), 0, 2], structure[classify_ring], sig_done[put_done]
put_first#:
    alu[--, --, B, $fresh]
    beq[refill_first#]
    ask()
    ctx_arb[put_done, arrived, turn_move], br[accept#]
refill_first#:
    fetch_buffer()
    ctx_arb[fresh_ready], br[put_first#]
full#:
    packet_drop(handle, DROP_CLASSIFY_FULL)
    br[ask_first#]

// A control message; one that finds no room comes again.
#ifdef ENGINES_CONTROL
to_control#:
    br_inp_state[scr_ring7_status, control_full#], defer[1]
    alu[$work[1], --, B, port]
    scratch[put, $work[0], (CONTROL_RING << 2), 0, 2], structure[control_ring], sig_done[put_done]
    br[put_first#]
control_full#:
    buffer_free(handle)
    state_add[oboe_counters, EVENT_CONTROL_FULL, 0, 1]
    br[ask_first#]
#endif

// In `move`, an mpacket of a longer frame, or a bad one.
part#:
.begin
.reg offset place reference bytes done state
    alu_shf[state, --, B, port, <<PORT_STATE_SHIFT]
    local_csr_wr[active_lm_addr_0, state]
    alu_shf[element, 0x7F, AND, $status[0], >>24]
    alu_shf[bytes, 0xFF, AND, $status[0], >>16]
    immed[offset, 0]
    br_bset[$status[0], STATUS_SOP, started#], defer[1]
    alu[handle, --, B, $fresh]
    alu[handle, --, B, *l$index0[0]]
    alu[offset, --, B, *l$index0[1]]
started#:
    alu[length, offset, +, bytes]
    alu_shf[--, STATUS_ERRORS, AND, $status[0], >>8]
    bne[mark_bad#]
    alu_shf[--, --, B, offset, >>BUFFER_BITS]           // no room left in the buffer
    beq[placed#]
mark_bad#:
    alu_shf[handle, handle, OR, 1, <<BAD]
placed#:
    alu[*l$index0[0], --, B, handle]
    alu[*l$index0[1], --, B, length]
    turn_pass(turn_move)
    element_done(done)
    br_bset[handle, BAD, bad#]
    buffer_offset(place, handle)
    alu[place, place, +, offset]
    alu_shf[reference, rbuf_reference, OR, element, <<MEDIA_REFERENCE_SHIFT]
    dram[rbuf_rd, --, place, buffers, ELEMENT_QUADWORDS], structure[packet_buffers], indirect_ref, sig_done[moved]
    br_bset[$status[0], STATUS_SOP, first#]
    ctx_arb[moved]
    msf[fast_wr, --, done, 0]
    ctx_arb[turn_deliver]

// In `deliver`, not the first mpacket: the last one delivers the frame.
    br_bclr[$status[0], STATUS_EOP, ask_next#]
#ifdef ENGINES_CONTROL
    br[deliver#], defer[1]
    alu[control, --, B, *l$index0[2]]
#else
    br[deliver#]
#endif

first#:
    fetch_buffer()
    peek()
    msf[fast_wr, --, done, 0]
    ctx_arb[turn_deliver, fresh_ready]
    br_bclr[$status[0], STATUS_EOP, ask_first#], defer[1]
    alu[*l$index0[2], --, B, control]
    br[deliver#]

// A bad frame: nothing moves any more; with its last mpacket it is counted and its buffer freed.
bad#:
    msf[fast_wr, --, done, 0]
    br_bclr[$status[0], STATUS_SOP, bad_later#]
    fetch_buffer()
    ctx_arb[turn_deliver, fresh_ready], br[bad_in_turn#]
bad_later#:
    ctx_arb[turn_deliver]
bad_in_turn#:
    br_bclr[$status[0], STATUS_EOP, ask_first#]
    alu_shf[handle, handle, AND~, 1, <<BAD]
    packet_drop(handle, DROP_RX_ERROR)
    br[ask_first#]
.end
