// What control does with messages: send one, and give a caller its answer.

#ifndef OBOE_SEND_UC
#define OBOE_SEND_UC

#include "structures.uc"
#include "message.uc"

// Send a message of 64 bytes to a chip. Uses buffers, got, written and put_done of control.
//   in_chip      register
//   TYPE         MESSAGE_*
//   in_word0 .. in_word5  registers: the first six longwords of the body
//   cycles       40, a get, a read, two writes and a put
#macro message_send(in_chip, TYPE, in_word0, in_word1, in_word2, in_word3, in_word4, in_word5)
.begin
.reg handle place part port
.reg write $send[2]
.begin
.reg read $fresh
none#:
    scratch[get, $fresh, (FREE_RING << 2), 0, 1], structure[free_ring], ctx_swap[got]
    alu[handle, --, B, $fresh]
    beq[none#]
.end
    buffer_offset(place, handle)
    alu[place, place, +, buffers]
.begin
.reg write $$out[8]
.state_xfer route[4] chip_routes
    state_read[route, chip_routes, in_chip, 0, 4]
    alu[port, --, B, route[0]]
    alu_shf[$$out[0], route[3], OR, 2, <<24]
    alu[$$out[1], --, B, route[1]]
    alu[$$out[2], --, B, route[2]]
    immed[part, MESSAGE_TYPE, <<16]
    alu[$$out[3], --, B, part]
    immed[part, ((MESSAGE_VERSION << 12) | (TYPE << 8)), <<16]
    alu[$$out[4], --, B, part]
    alu_shf[part, --, B, in_chip, <<16]
    alu[handle, handle, OR, 0]
.reg self
    alu[self, --, B, @self]
    alu_shf[part, part, OR, self, <<24]
    alu[$$out[5], --, B, part]
    immed[part, 28]
    alu[$$out[6], --, B, part]
    immed[$$out[7], 0]
    dram[write, $$out[0], place, 0, 4], structure[packet_buffers], sig_done[written]
    ctx_arb[written]
.end
.begin
.reg write $$out[8]
    immed[$$out[0], 0]
    alu[$$out[1], --, B, in_word0]
    alu[$$out[2], --, B, in_word1]
    alu[$$out[3], --, B, in_word2]
    alu[$$out[4], --, B, in_word3]
    alu[$$out[5], --, B, in_word4]
    alu[$$out[6], --, B, in_word5]
    immed[$$out[7], 0]
    dram[write, $$out[0], place, 32, 4], structure[packet_buffers], sig_done[written]
    ctx_arb[written]
.end
    alu_shf[part, handle, OR, 64, <<16]
    alu[$send[0], --, B, part]
    alu[$send[1], --, B, port]
    scratch[put, $send[0], (TX_RING << 2), 0, 2], structure[tx_ring], ctx_swap[put_done]
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
