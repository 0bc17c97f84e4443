// What control does with requests: send messages of 64 bytes, answer callers of this chip.

#ifndef OBOE_SEND_UC
#define OBOE_SEND_UC

#include "structures.uc"
#include "message.uc"
#if (CHIPS > 1)
#include "channel.uc"
#include "calls.uc"
#endif

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

// Give a caller of this chip what its operation returned, and wake it.
//   in_caller    register: longword 0 of the request; signal 0: it does not sleep
//   STATUS       0, or 1: the home does not answer
//   in_output0 .. in_output3  registers
//   cycles       17, and a write
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
    alu[--, 0xF, AND, in_caller]
    beq[given#]
    alu_shf[part, --, B, in_caller, <<20]
    alu_shf[part, --, B, part, >>20]
    cap[fast_wr, alu, INTERTHREAD_SIG]
given#:
.end
#endm

#if (CHIPS > 1)
// Send a message of 64 bytes to a chip. Uses buffers, got, written and put_done of control.
//   in_chip      register
//   TYPE         MESSAGE_*
//   in_word0 .. in_word6  registers: the body
//   DOWN#        label to branch to if the chip is down
//   cycles       130, a get, reads, writes and a put
#macro message_send(in_chip, TYPE, in_word0, in_word1, in_word2, in_word3, in_word4, in_word5, in_word6, DOWN)
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
    alu[$$out[5], --, B, in_word6]
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
    call_abandon(caller, number)
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
