// What control does with messages: send one, and give a caller its answer.

#ifndef OBOE_SEND_UC
#define OBOE_SEND_UC

#include "structures.uc"
#include "message.uc"

// A buffer for a message; the context waits for one.
//   out_handle   register
//   out_place    register: DRAM address where the message begins
//   cycles       8, and a get
#macro message_buffer(out_handle, out_place)
.begin
.reg read $fresh
none#:
    scratch[get, $fresh, (FREE_RING << 2), 0, 1], structure[free_ring], ctx_swap[got]
    alu[out_handle, --, B, $fresh]
    beq[none#]
.end
    buffer_offset(out_place, out_handle)
    alu[out_place, out_place, +, buffers]
    alu[out_place, out_place, +, FRAME_OFFSET]
#endm

// Longwords 0 to 9 of a message.
//   in_place     register
//   in_chip      register: the chip it goes to
//   TYPE         MESSAGE_*
//   LENGTH       bytes behind longword 8
//   in_word0     register: longword 9
//   cycles       27, a read and two writes
#macro message_header(in_place, in_chip, TYPE, LENGTH, in_word0)
.begin
.reg part self
.begin
.reg write $$out[8]
.state_xfer route[4] chip_routes
    state_read[route, chip_routes, in_chip, 0, 4]
    immed[part, 0x200, <<16]
    alu[$$out[0], part, OR, route[3]]
    alu[$$out[1], --, B, route[1]]
    alu[$$out[2], --, B, route[2]]
    immed[part, MESSAGE_TYPE, <<16]
    alu[$$out[3], --, B, part]
    immed[part, ((MESSAGE_VERSION << 12) | (TYPE << 8)), <<16]
    alu[$$out[4], --, B, part]
    alu_shf[part, --, B, in_chip, <<16]
    alu[self, --, B, @self]
    alu_shf[part, part, OR, self, <<24]
    alu[$$out[5], --, B, part]
    immed[part, LENGTH]
    alu[$$out[6], --, B, part]
    immed[$$out[7], 0]
    dram[write, $$out[0], in_place, 0, 4], structure[packet_buffers], sig_done[written]
    ctx_arb[written]
.end
.begin
.reg write $$out[2]
    immed[$$out[0], 0]
    alu[$$out[1], --, B, in_word0]
    dram[write, $$out[0], in_place, 32, 1], structure[packet_buffers], sig_done[written]
    ctx_arb[written]
.end
.end
#endm

// Put a message on the transmit ring.
//   in_handle    register
//   in_chip      register
//   BYTES        of the message
//   cycles       6, a read and a put
#macro message_transmit(in_handle, in_chip, BYTES)
.begin
.reg part
.reg write $send[2]
.state_xfer route[1] chip_routes
    state_read[route, chip_routes, in_chip, 0, 1]
    immed[part, ((FRAME_OFFSET >> 6) << OFFSET_SHIFT)]
    immed_w1[part, BYTES]
    alu[$send[0], part, OR, in_handle]
    alu[$send[1], --, B, route[0]]
    scratch[put, $send[0], (TX_RING << 2), 0, 2], structure[tx_ring], ctx_swap[put_done]
.end
#endm

// Send a message of 64 bytes to a chip. Uses buffers, got, written and put_done of control.
//   in_chip      register
//   TYPE         MESSAGE_*
//   in_word0 .. in_word5  registers: the first six longwords of the body
//   cycles       51, a get, two reads, three writes and a put
#macro message_send(in_chip, TYPE, in_word0, in_word1, in_word2, in_word3, in_word4, in_word5)
.begin
.reg handle place
    message_buffer(handle, place)
    message_header(place, in_chip, TYPE, (64 - MESSAGE_BODY), in_word0)
.begin
.reg write $$out[6]
    alu[$$out[0], --, B, in_word1]
    alu[$$out[1], --, B, in_word2]
    alu[$$out[2], --, B, in_word3]
    alu[$$out[3], --, B, in_word4]
    alu[$$out[4], --, B, in_word5]
    immed[$$out[5], 0]
    dram[write, $$out[0], place, 40, 3], structure[packet_buffers], sig_done[written]
    ctx_arb[written]
.end
    message_transmit(handle, in_chip, 64)
.end
#endm

// Give a caller of this chip what its operation returned, and wake it.
//   in_caller    register: longword 0 of the request
//   in_output0 .. in_output3  registers
//   cycles       16, and a write
#macro answer(in_caller, in_output0, in_output1, in_output2, in_output3)
.begin
.reg number part
.state_xfer reply[4] replies
    alu_shf[part, 4, AND, in_caller, >>9]               // cluster
    alu_shf[number, 3, AND, in_caller, >>7]
    alu[number, number, OR, part]
    alu_shf[part, 7, AND, in_caller, >>4]
    alu_shf[number, part, OR, number, <<3]
    alu[reply[0], --, B, in_output0]
    alu[reply[1], --, B, in_output1]
    alu[reply[2], --, B, in_output2]
    alu[reply[3], --, B, in_output3]
    state_write[reply, replies, number, 0, 4]
    alu_shf[part, --, B, in_caller, <<20]
    alu_shf[part, --, B, part, >>20]
    cap[fast_wr, alu, INTERTHREAD_SIG]
.end
#endm

#endif
