// Receive: mpackets from RBUF to packet buffers in DRAM, frames to the workers' rings.
//
// The eight contexts take mpackets in turn, two ordered sections apart:
//
//   move      an mpacket's place in its frame, from the state of its port (local memory); its data starts to move
//   deliver   the mpacket's data is in the buffer; the last one of a frame puts its descriptor on a worker's ring; the
//             context asks for the next mpacket
//
// Contexts ask inside `deliver`, so mpackets come to them in turn; data of an mpacket has moved before a later one of
// the same frame is delivered. Nothing is lost here: without a buffer, or with a worker's ring nearly full, the context
// that holds `deliver` waits, and in the end the MACs do.

#include "../lib/structures.uc"
#include "../lib/identity.uc"
#include "../lib/media.uc"
#include "../lib/ordered.uc"
#include "../lib/packet.uc"
#include "../lib/worker.uc"

#if (ENGINES_RX != 1)
#error "one microengine runs rx: a second would need the ports' state"
#endif

// Local memory: four longwords a port: the frame's buffer handle (bit 31: bad), its bytes so far, its hash.
#define PORT_STATE_SHIFT 4
#define BAD 31

.reg buffers rbuf_reference rbuf_addresses rbuf_done freelist
.reg element handle length hash worker
.reg read $status[2], $addresses[3], $fresh
.reg write $work[2]
.sig arrived, fresh_ready, moved, peeked, put_done, turn_move, turn_deliver

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
    load_constant(rbuf_reference, MEDIA_REFERENCE)
    immed[rbuf_addresses, (MSF_BUFFERS + 24)]
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
    br!=byte[$status[0], 1, STATUS_WHOLE_FRAME, part#]

    // A frame of one mpacket: the port's state is not concerned.
.begin
.reg place header reference done
    alu_shf[element, 0x7F, AND, $status[0], >>24]
    alu[handle, --, B, $fresh]
    buffer_offset(place, handle)
    alu_shf[header, --, B, element, <<ELEMENT_BITS]
    alu_shf[reference, rbuf_reference, OR, element, <<MEDIA_REFERENCE_SHIFT]
    dram[rbuf_rd, --, place, buffers, ELEMENT_QUADWORDS], structure[packet_buffers], indirect_ref, sig_done[moved]
    msf[read, $addresses[0], header, rbuf_addresses, 3], sig_done[peeked]
    fetch_buffer()
    turn_pass(turn_move)
    ctx_arb[moved, peeked], defer[2]
    alu_shf[length, 0xFF, AND, $status[0], >>16]
    element_done(done)
    hash_addresses(hash, $addresses, done)
    worker_of(worker, hash)
.end
    ctx_arb[turn_deliver, fresh_ready]

// In `deliver`, a whole frame: to its worker, once the worker's ring has room. Each ring has its own state input.
deliver#:
.begin
.reg entry ring
    alu_shf[entry, --, B, worker, <<1]
    jump[entry, ring_0#], defer[3], targets[ring_0#, ring_1#, ring_2#, ring_3#, ring_4#, ring_5#]
    alu_shf[$work[0], handle, OR, length, <<16]
    alu[$work[1], --, B, hash]
    alu_shf[ring, --, B, worker, <<2]
ring_0#:
    br_!inp_state[scr_ring0_status, put#]
    br[full#]
ring_1#:
    br_!inp_state[scr_ring1_status, put#]
    br[full#]
ring_2#:
    br_!inp_state[scr_ring2_status, put#]
    br[full#]
ring_3#:
    br_!inp_state[scr_ring3_status, put#]
    br[full#]
ring_4#:
    br_!inp_state[scr_ring4_status, put#]
    br[full#]
ring_5#:
    br_!inp_state[scr_ring5_status, put#]
full#:
    ctx_arb[voluntary], br[deliver#]
put#:
    scratch[put, $work[0], ring, (WORK_RING << 2), 2], structure[work_rings], sig_done[put_done]
.end
put_first#:
    alu[--, --, B, $fresh]
    beq[refill_first#]
    ask()
    ctx_arb[put_done, arrived, turn_move], br[accept#]
refill_first#:
    fetch_buffer()
    ctx_arb[fresh_ready], br[put_first#]

// In `move`, an mpacket of a longer frame, or a bad one.
part#:
.begin
.reg port offset place reference bytes done
    alu_shf[port, --, B, $status[0], <<PORT_STATE_SHIFT]
    alu[port, port, AND, 0xF0]
    local_csr_wr[active_lm_addr_0, port]
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
    alu[hash, --, B, *l$index0[2]]
    worker_of(worker, hash)
    br[deliver#]

first#:
.reg header
    alu_shf[header, --, B, element, <<ELEMENT_BITS]
    msf[read, $addresses[0], header, rbuf_addresses, 3], sig_done[peeked]
    fetch_buffer()
    ctx_arb[moved, peeked]
    hash_addresses(hash, $addresses, done)
    ctx_arb[turn_deliver, fresh_ready]
    br_bclr[$status[0], STATUS_EOP, ask_first#], defer[1]
    alu[*l$index0[2], --, B, hash]
    worker_of(worker, hash)
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
    buffer_drop(handle, DROP_RX_ERROR)
    br[ask_first#]
.end
