// What control does with requests: send messages of 64 bytes, answer callers of this chip, know which of them wait for
// another chip.

#ifndef OBOE_SEND_UC
#define OBOE_SEND_UC

#include "structures.uc"
#include "message.uc"
#if (CHIPS > 1)
#include "channel.uc"
#endif

// Callers that wait for the home: longword 0 of their requests, by their element of replies. In local memory, so that a
// context looks and clears at once.
.local_mem calls_pending local 256

// A caller's element of replies.
//   out_number, in_caller  registers
//   cycles       5
#macro caller_number(out_number, in_caller)
.begin
.reg part
    alu_shf[part, 4, AND, in_caller, >>9]               // cluster
    alu_shf[out_number, 3, AND, in_caller, >>7]
    alu[out_number, out_number, OR, part]
    alu_shf[part, 7, AND, in_caller, >>4]
    alu_shf[out_number, part, OR, out_number, <<3]
.end
#endm

// Note that a caller waits for the home.
//   in_caller    register
//   cycles       12
#macro pending_note(in_caller)
.begin
.reg at
    caller_number(at, in_caller)
    alu_shf[at, --, B, at, <<2]
    alu[at, at, +, (calls_pending)]
    local_csr_wr[active_lm_addr_0, at]
    nop
    nop
    nop
    alu[*l$index0, --, B, in_caller]
.end
#endm

// The caller that waits, if it does, and note that it does no more.
//   out_caller   register: 0 if it does not
//   in_number    register: its element of replies
//   cycles       8
#macro pending_take(out_caller, in_number)
.begin
.reg at
    alu_shf[at, --, B, in_number, <<2]
    alu[at, at, +, (calls_pending)]
    local_csr_wr[active_lm_addr_0, at]
    nop
    nop
    nop
    alu[out_caller, --, B, *l$index0]
    immed[*l$index0, 0]
.end
#endm

// Give a caller of this chip what its operation returned, and wake it.
//   in_caller    register: longword 0 of the request
//   STATUS       0, or 1: the home does not answer
//   in_output0 .. in_output3  registers
//   cycles       15, and a write
#macro answer(in_caller, STATUS, in_output0, in_output1, in_output2, in_output3)
.begin
.reg number part
.state_xfer reply[5] replies
    caller_number(number, in_caller)
    immed[reply[0], STATUS]
    alu[reply[1], --, B, in_output0]
    alu[reply[2], --, B, in_output1]
    alu[reply[3], --, B, in_output2]
    alu[reply[4], --, B, in_output3]
    state_write[reply, replies, number, 0, 5]
    alu_shf[part, --, B, in_caller, <<20]
    alu_shf[part, --, B, part, >>20]
    cap[fast_wr, alu, INTERTHREAD_SIG]
.end
#endm

#if (CHIPS > 1)
// Send a message of 64 bytes to a chip. Uses buffers, got, written and put_done of control.
//   in_chip      register
//   TYPE         MESSAGE_*
//   in_word0 .. in_word5  registers: the first six longwords of the body
//   DOWN#        label to branch to if the chip is down
//   cycles       130, a get, reads, writes and a put
#macro message_send(in_chip, TYPE, in_word0, in_word1, in_word2, in_word3, in_word4, in_word5, DOWN)
.begin
.reg place number zero
    channel_open(place, number, in_chip, DOWN)
    immed[zero, 0]
    message_header(place, in_chip, number, TYPE, (64 - MESSAGE_BODY), zero, in_word0)
.begin
.reg write $$out[6]
    alu[$$out[0], --, B, in_word1]
    alu[$$out[1], --, B, in_word2]
    alu[$$out[2], --, B, in_word3]
    alu[$$out[3], --, B, in_word4]
    alu[$$out[4], --, B, in_word5]
    immed[$$out[5], 0]
    dram[write, $$out[0], place, 40, 3], structure[channel_copies], sig_done[written]
    ctx_arb[written]
.end
    channel_close(place, number, in_chip)
.end
#endm

// The home is down: every caller that waits for it is told so.
//   cycles       14 a context of the chip, and 15 and a write a caller
#macro calls_fail()
.begin
.reg number caller zero
    immed[zero, 0]
    immed[number, 63]
each#:
    pending_take(caller, number)
    alu[--, --, B, caller]
    beq[none#]
    answer(caller, 1, zero, zero, zero, zero)
none#:
    alu[number, number, -, 1]
    bge[each#]
.end
#endm
#endif

#endif
