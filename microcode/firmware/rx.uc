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
#include "../lib/flow_key.uc"
#include "../lib/identity.uc"
#include "../lib/media.uc"
#include "../lib/ordered.uc"
#include "../lib/packet.uc"
#include "../lib/worker.uc"

#if (ENGINES_RX != 1)
#error "one microengine runs rx: a second would need the ports' state"
#endif

// Local memory: four longwords a port: the frame's buffer handle (bit 31: bad), its bytes so far, its flow's hash, and
// whether that is to be made from the whole frame.
#define PORT_STATE_SHIFT 4
#define BAD 31

.reg buffers rbuf_reference rbuf_words rbuf_done freelist
.reg element handle length hash late worker
.reg read $status[2], $words[7], $fresh
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

// Read longwords 3 to 9 of a frame from its first element.
//   cycles       2
#macro peek()
.reg header
    alu_shf[header, --, B, element, <<ELEMENT_BITS]
    msf[read, $words[0], header, rbuf_words, 7], sig_done[peeked]
#endm

// The hash of a frame's flow, from $words, and the element's release by the way. Behind options the ports may lie in
// another mpacket: then `late` becomes 1, and the hash is made of the whole frame.
//   hash, late   set
//   in_done      register, from element_done
//   cycles       29 for UDP, 28 for TCP without options
#macro hash_first(in_done)
.reg ports total behind
    local_csr_wr[crc_remainder, 0]
    alu[behind, --, B, $words[6]]
    crc_be[crc_32, --, $words[3]], bytes_2_3
    dbl_shf[ports, $words[5], behind, >>16]
    crc_be[crc_32, --, $words[4]]
    msf[fast_wr, --, in_done, 0]
    br=byte[$words[0], 1, PLAIN_HEADER, plain#], defer[3]
    crc_be[crc_32, --, $words[5]], bytes_0_1
    immed[late, 0]
    alu_shf[total, --, B, $words[1], >>16]
.reg options
    alu_shf[options, 0xFF, AND, $words[0], >>8]
    alu[options, options, -, (PLAIN_HEADER + 1)]
    alu[--, (MOST_OPTIONS - 1), -, options]
    blo[plain#]                         // no IPv4: any worker may drop it
    immed[late, 1]
plain#:
    flow_ports(ports, $words[2], total, (HEADER_BYTES + PORTS_BYTES))
    flow_hash_end(hash, ports)
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
    immed[rbuf_words, (MSF_BUFFERS + 12)]
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
.reg place reference done
    alu_shf[element, 0x7F, AND, $status[0], >>24]
    alu[handle, --, B, $fresh]
    buffer_offset(place, handle)
    alu_shf[reference, rbuf_reference, OR, element, <<MEDIA_REFERENCE_SHIFT]
    dram[rbuf_rd, --, place, buffers, ELEMENT_QUADWORDS], structure[packet_buffers], indirect_ref, sig_done[moved]
    peek()
    fetch_buffer()
    turn_pass(turn_move)
    ctx_arb[moved, peeked], defer[2]
    alu_shf[length, 0xFF, AND, $status[0], >>16]
    element_done(done)
    hash_first(done)
    worker_of(worker, hash)
.end
    ctx_arb[turn_deliver, fresh_ready]
    br_bset[late, 0, late#]

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
    pause(work_rings)
    br[deliver#]
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
    alu[late, --, B, *l$index0[3]]
to_worker#:
    br_bset[late, 0, late#]
    worker_of(worker, hash)
    br[deliver#]

first#:
    peek()
    fetch_buffer()
    ctx_arb[moved, peeked]
    hash_first(done)
    ctx_arb[turn_deliver, fresh_ready]
    alu[*l$index0[2], --, B, hash]
    br_bclr[$status[0], STATUS_EOP, ask_first#], defer[1]
    alu[*l$index0[3], --, B, late]
    br[to_worker#]

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

// In `deliver`, a whole frame whose header has options: the flow's hash from the buffer.
late#:
.begin
.reg read $$head[8], $$behind[4]        // longwords 2 to 9; two quadwords with the ports
.reg place at header total ports low
    buffer_offset(place, handle)
    alu[place, place, +, buffers]
    dram[read, $$head[0], place, 8, 4], structure[packet_buffers], sig_done[moved]
    ctx_arb[moved]
    alu_shf[header, 0xF, AND, $$head[1], >>8]
    alu_shf[header, --, B, header, <<2]
    alu[at, header, +, 12]              // the longword in whose lower half the payload begins
    alu[at, at, +, place]
    dram[read, $$behind[0], at, 0, 2], structure[packet_buffers], sig_done[moved]
    ctx_arb[moved], defer[2]
    alu_shf[total, --, B, $$head[2], >>16]
    alu[header, header, +, PORTS_BYTES]
    br_bset[at, 2, second_half#]
    alu[low, --, B, $$behind[1]]
    br[joined#], defer[1]
    dbl_shf[ports, $$behind[0], low, >>16]
second_half#:
    alu[low, --, B, $$behind[2]]
    dbl_shf[ports, $$behind[1], low, >>16]
joined#:
    flow_ports(ports, $$head[3], total, header)
    flow_hash(hash, $$head[4], $$head[5], $$head[6], ports)
    worker_of(worker, hash)
    br[deliver#]
.end
