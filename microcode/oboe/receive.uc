// Receive: mpackets from RBUF to packet buffers in DRAM, frames to the ring of classify, in the order of arrival.
//
// As firmware/rx.uc, with two differences: frames are not spread over workers, which classify does, and a frame that
// finds the ring nearly full is dropped and counted: what waits behind it may be what the workers wait for.

#include "structures.uc"
#include "../lib/identity.uc"
#include "../lib/media.uc"
#include "../lib/ordered.uc"
#include "../lib/packet.uc"

// Local memory: four longwords a port: the frame's buffer handle (bit 31: bad), its bytes so far.
#define PORT_STATE_SHIFT 4
#define PORT_MASK 0xF
#define BAD 31

.reg buffers rbuf_reference rbuf_done freelist
.reg element handle length port
.reg read $status[2], $fresh
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

// The word that frees an element, for msf[fast_wr].
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
    ctx_arb[moved], defer[2]
    alu_shf[length, 0xFF, AND, $status[0], >>16]
    element_done(done)
    msf[fast_wr, --, done, 0]
.end
    ctx_arb[turn_deliver, fresh_ready]

// In `deliver`, a whole frame.
deliver#:
    alu_shf[$work[0], handle, OR, length, <<16]
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
    br[deliver#]

first#:
    fetch_buffer()
    ctx_arb[moved]
    msf[fast_wr, --, done, 0]
    ctx_arb[turn_deliver, fresh_ready]
    br_bclr[$status[0], STATUS_EOP, ask_first#]
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
