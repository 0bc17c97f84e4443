// Classify: from frames to packets of a bundle, and to where the bundle lives.
//
// The eight contexts take frames in turn and pass packets on in turn:
//
//   take      a descriptor from receive
//             (outside: headers and checks, canonical key, hash, prefix)
//   send      the bundle's entry of the table, then the descriptor to a worker's ring here, or to transmit
//
// An entry may change between the look that made the prefix and `send`: there the prefix is made again. A context leaves
// `send` with its put under way, for puts are served in the order in which they were given; so little more than a read of
// the entry lies in the section, which all packets pass one by one. A ring that takes a put has room for one of every
// context.
// A dropped frame takes its turn in `send` as well, and does nothing there.

#include "structures.uc"
#include "headers.uc"
#include "message.uc"
#include "dispatch.uc"
#include "moves.uc"
#include "faults.uc"
#include "../lib/identity.uc"
#include "../lib/ordered.uc"

.reg buffers self link_ports
.reg descriptor handle place length ingress work entry reason bundle chip port
.reg type_word length_word fragment_word checksum_word addresses_word last behind       // longwords 3 to 9 of the frame
.reg write $$out[8], $put[2]
.sig got, read_done, written, hashed, put_done, turn_take, turn_send

.begin
.state_xfer identity[2] chip_identity
    state_read[identity, chip_identity, 0, 0, 2]
    alu[self, --, B, identity[IDENTITY_CHIP]]
    alu[link_ports, --, B, identity[IDENTITY_LINK_PORTS]]
.end
    state_base[buffers, packet_buffers]
    br!=ctx[0, multipliers_set#]
    set_hash_multipliers()
multipliers_set#:
    turn_begin(turn_take)
    turn_begin(turn_send)

next_frame#:
    ctx_arb[turn_take]

// In `take`: one context polls the ring, with one command at a time.
.begin
.reg read $frame[2]
poll#:
    scratch[get, $frame[0], (CLASSIFY_RING << 2), 0, 2], structure[classify_ring], ctx_swap[got]
    alu[descriptor, --, B, $frame[0]]
    beq[poll#], defer[2]
    alu[ingress, --, B, $frame[1]]
    alu_shf[length, --, B, descriptor, >>16]
.end
    turn_pass(turn_take)

// Longwords 2 to 9: all of a header without options, and the ports behind it; or a message's header.
.begin
.reg read $$words[8]
    buffer_handle(handle, descriptor)
    buffer_offset(place, handle)
    alu[place, place, +, buffers]
    dram[read, $$words[0], place, (FRAME_OFFSET + 8), 4], structure[packet_buffers], sig_done[read_done]
    ctx_arb[read_done]
    alu[type_word, --, B, $$words[1]]
    alu[length_word, --, B, $$words[2]]
    alu[fragment_word, --, B, $$words[3]]
    alu[checksum_word, --, B, $$words[4]]
    alu[addresses_word, --, B, $$words[5]]
    alu[last, --, B, $$words[6]]
    alu[behind, --, B, $$words[7]]
.end
#if (CHIPS > 1)
    alu[--, ingress, OR, 0]
    alu_shf[--, 1, AND, link_ports, >>indirect]
    bne[message#]
#endif

.begin
.reg options header total sum low high ports protocol
    check_headers(options, header, type_word, length_word, length, reason, drop#)
    dbl_shf[low, checksum_word, addresses_word, >>16]
    dbl_shf[high, addresses_word, last, >>16]
    sum_begin(sum, type_word, length_word, fragment_word, checksum_word, addresses_word)
    alu[--, --, B, options]
    bne[with_options#]
summed#:
    dbl_shf[ports, last, behind, >>16]
    sum_end(sum, last)
    immed[reason, DROP_CHECKSUM]
.begin
.reg ones
    immed[ones, 0xFFFF]
    alu[--, sum, XOR, ones]
    bne[drop#]
.end
    immed[reason, DROP_FRAGMENT]
    alu_shf[sum, --, B, fragment_word, <<2]             // more fragments, or an offset: bits 29:16
    alu_shf[--, --, B, sum, >>18]
    bne[drop#]
    alu_shf[total, --, B, length_word, >>16]
    alu[header, header, +, PORTS_BYTES]
    flow_ports(ports, fragment_word, total, header)
    ld_field_w_clr[protocol, 0001, fragment_word]
#ifdef KEY_SYMMETRIC
    canonical(low, high, ports, protocol)
#endif

// The hash: bundle 31:22, bucket 21:18 and signature 17:0 of the packet's work word; and longwords 8 to 15 of the prefix.
.begin
.reg $hash[4]
.reg part
    alu[$hash[0], --, B, low]
    alu[$hash[1], --, B, high]
    alu[$hash[2], --, B, ports]
    ld_field_w_clr[part, 0001, protocol]
    alu[$hash[3], --, B, part]
    hash_128[$hash[0], 1], sig_done[hashed]
    alu_shf[protocol, protocol, OR, ingress, <<24]
    alu[$$out[4], --, B, protocol]
    alu[$$out[5], --, B, low]
    alu[$$out[6], --, B, high]
    ctx_arb[hashed], defer[1]
    alu[$$out[7], --, B, ports]
    alu[$$out[1], --, B, $hash[0]]
    alu[$$out[2], --, B, $hash[1]]
    alu[$$out[3], --, B, $hash[2]]
    alu_shf[work, --, B, $hash[2], <<WORK_BUCKET_END]
    alu_shf[work, --, B, work, >>WORK_BUCKET_END]
    alu[part, 0xF, AND, $hash[1]]
    alu_shf[work, work, OR, part, <<WORK_BUCKET]
    alu_shf[part, --, B, $hash[0], <<WORK_BUNDLE]
#ifdef KEY_NAT
    inside_bundle(part, high, ports)
#endif
    alu[work, work, OR, part]
    alu[$$out[0], --, B, work]
.end
    dram[write, $$out[0], place, 32, 4], structure[packet_buffers], sig_done[written]
    alu_shf[descriptor, descriptor, OR, (FRAME_OFFSET >> 6), <<OFFSET_SHIFT]
    alu_shf[bundle, --, B, work, >>WORK_BUNDLE]

#if (CHIPS > 1)
// To another chip, the prefix becomes the message's header.
    read_entry(entry, bundle)
    ctx_arb[written]
prepare#:
    entry_chip(chip, entry)
    alu[--, chip, XOR, self]
    beq[in_turn#]
    immed[reason, DROP_CHIP_DOWN]
    dispatch_prepare(port, chip, drop#)
in_turn#:
    ctx_arb[turn_send]

// In `send`.
.begin
.reg now
    read_entry(now, bundle)
    alu[--, now, XOR, entry]
    bne[changed#], defer[1]
    alu[entry, --, B, now]
.end
settled#:
    alu[--, chip, XOR, self]
    beq[here#]
    dispatch_send(port)
    turn_pass(turn_send)
    ctx_arb[put_done], br[next_frame#]

changed#:
    entry_chip(chip, entry)
    alu[--, chip, XOR, self]
    beq[here#]
    dispatch_prepare(port, chip, down_in_turn#)
    br[settled#]
#ifdef ENGINES_CONTROL
down_in_turn#:
    packet_drop(handle, DROP_CHIP_DOWN)
    br[next_frame#], defer[1]
    turn_pass(turn_send)
#endif
#else
    ctx_arb[written]
    ctx_arb[turn_send]
    read_entry(entry, bundle)
#endif

#if (ENGINES_WORKER > 0)
// To the worker that the bundle's entry names, once its ring has room. Each ring has its own state input.
here#:
.begin
.reg worker ring jump_to
    alu[$put[0], --, B, descriptor]
    alu[$put[1], --, B, work]
#if (WORK_RINGS == 1)
    immed[ring, (WORK_RING << 2)]
room#:
    br_!inp_state[scr_ring1_status, put#]
    pause(work_rings)
    br[room#]
#else
    alu_shf[worker, 0xF, AND, entry, >>24]
    alu[ring, worker, +, WORK_RING]
    alu_shf[ring, --, B, ring, <<2]
room#:
    alu_shf[jump_to, --, B, worker, <<1]
    jump[jump_to, ring_0#], targets[ring_0#, ring_1#, ring_2#, ring_3#, ring_4#]
ring_0#:
    br_!inp_state[scr_ring1_status, put#]
    br[full#]
ring_1#:
    br_!inp_state[scr_ring2_status, put#]
    br[full#]
ring_2#:
    br_!inp_state[scr_ring3_status, put#]
    br[full#]
ring_3#:
    br_!inp_state[scr_ring4_status, put#]
    br[full#]
ring_4#:
    br_!inp_state[scr_ring5_status, put#]
full#:
    pause(work_rings)
    br[room#]
#endif
put#:
    scratch[put, $put[0], ring, 0, 2], structure[work_rings], sig_done[put_done]
.end
    turn_pass(turn_send)
    ctx_arb[put_done], br[next_frame#]
#else
here#:
    halt                                // no bundle lives here
#endif

drop#:
    packet_drop(handle, reason)
    ctx_arb[turn_send]
    br[next_frame#], defer[1]
    turn_pass(turn_send)

// Options: add their longwords, and find what stands behind them. Longwords 8 to 19 hold the longest header.
with_options#:
.begin
.reg read $$more[12]
.reg first left engine
    dram[read, $$more[0], place, (FRAME_OFFSET + 32), 6], structure[packet_buffers], sig_done[read_done]
    identify(engine, first)
    ctx_arb[read_done], defer[2]
    alu_shf[first, --, B, first, <<4]
    alu[left, --, B, options]
    alu[first, first, +, (&$$more[0])]
    alu_shf[first, --, B, first, <<2]
    local_csr_wr[t_index, first]
    nop
    nop
    nop
add#:
    alu[sum, sum, +, *$$index++]
    alu[sum, sum, +carry, 0]
    alu[left, left, -, 1]
    bne[add#]
    alu[last, --, B, *$$index++]
    br[summed#], defer[1]
    alu[behind, --, B, *$$index]
.end
.end

#if (CHIPS > 1)
// A frame from a link: a packet that another chip has classified, or nothing this chip knows.
message#:
.begin
.reg wanted to
    immed[reason, DROP_MESSAGE]
    immed[wanted, MESSAGE_TYPE, <<16]
    alu[--, wanted, XOR, type_word]
    bne[drop#]
    alu_shf[to, 0xFF, AND, fragment_word, >>16]
    alu[--, to, -, (CHIPS - 1)]
    bgt[drop#]
#ifndef LOOP_BACK                       // a baseline: every number is this chip's
    alu[--, to, XOR, self]
    bne[pass_on#]
#endif
    alu_shf[wanted, --, B, length_word, >>24]
    alu[--, wanted, XOR, ((MESSAGE_VERSION << 4) | MESSAGE_DISPATCH)]
    bne[drop#]
#ifdef DROPPING
    immed[reason, DROP_LOST]
    drop_as_ordered(length_word, LOST_FROM_LINK, drop#)
#endif
    alu[length, length, -, PREFIX_BYTES]
    blo[drop#]
    alu[work, --, B, last]
    alu[place, place, +, FRAME_OFFSET]
    alu_shf[descriptor, handle, OR, ((FRAME_OFFSET + PREFIX_BYTES) >> 6), <<OFFSET_SHIFT]
    alu_shf[descriptor, descriptor, OR, length, <<16]
    alu_shf[bundle, --, B, work, >>WORK_BUNDLE]
    read_entry(entry, bundle)
#ifdef LOOP_BACK
    br[in_turn#], defer[1]
    alu[chip, --, B, self]
#else
    br[prepare#]
#endif

// For another chip, to which the way leads through this one: on as it is, in its turn.
pass_on#:
    alu_shf[descriptor, descriptor, OR, (FRAME_OFFSET >> 6), <<OFFSET_SHIFT]
    ctx_arb[turn_send]
    message_transmit(descriptor, to)
    br[next_frame#], defer[1]
    turn_pass(turn_send)
.end
#endif
