// Calls: strict operations on the way from their caller's chip to the home, done at most once. docs/oboe.md, section 4.
//
// The caller's chip numbers the calls of each of its contexts, and keeps one until it is answered. A call that is not
// answered in time is sent again, twice, with the same number; then the caller is told that the home does not answer. The
// home keeps the number and the results of the last call of each caller: one that it knows is answered from there.

#ifndef OBOE_CALLS_UC
#define OBOE_CALLS_UC

#include "structures.uc"
#include "timer.uc"

#define CALL_TRIES 3
#define CALL_BYTES_SHIFT 5              // of an element of calls_pending

// By the caller's element of replies, in local memory, so that a context looks and changes at once: longword 0 of the
// request, 0 while none is under way; entry; four inputs; the call's number; DUE where it is to be sent again, tries
// that are over 19:16, ticks of the one under way 15:0.
#define PENDING_NUMBER 6
#define PENDING_TIME 7
#define PENDING_DUE 31
#define PENDING_TRIES 16
.local_mem calls_pending local 2048 32

// What the home keeps of each context of each chip: the number of its last call, and the four results.
.structure last_replies element_bytes=32 count=(CHIPS << 6) align=32 access=read,write sharing=me

.reg @calls_due                         // not 0 once a call is to be sent again

// Make *l$index0 the pending call of a caller.
//   in_number    register: its element of replies
//   cycles       6
#macro call_select(in_number)
.begin
.reg at
    alu_shf[at, --, B, in_number, <<CALL_BYTES_SHIFT]
    alu[at, at, +, (calls_pending)]
    local_csr_wr[active_lm_addr_0, at]
    nop
    nop
    nop
.end
#endm

// Keep a call until it is answered.
//   out_sequence  register: the call's number
//   in_caller, in_entry, in_input0, in_input1, in_input2, in_input3  registers
//   cycles       20
#macro call_note(out_sequence, in_caller, in_entry, in_input0, in_input1, in_input2, in_input3)
.begin
.reg number
    caller_number(number, in_caller)
    call_select(number)
    alu[*l$index0[0], --, B, in_caller]
    alu[*l$index0[1], --, B, in_entry]
    alu[*l$index0[2], --, B, in_input0]
    alu[*l$index0[3], --, B, in_input1]
    alu[*l$index0[4], --, B, in_input2]
    alu[*l$index0[5], --, B, in_input3]
    alu[out_sequence, *l$index0[PENDING_NUMBER], +, 1]
    alu[*l$index0[PENDING_NUMBER], --, B, out_sequence]
    immed[*l$index0[PENDING_TIME], 0]
.end
#endm

// A reply has come: the caller that waits for it, which then waits no more.
//   out_caller   register: 0 if none waits for this reply
//   in_number    register: its element of replies
//   in_sequence  register: the number of the call that is answered
//   cycles       12
#macro call_take(out_caller, in_number, in_sequence)
    call_select(in_number)
    alu[--, in_sequence, XOR, *l$index0[PENDING_NUMBER]]
    beq[awaited#], defer[1]
    alu[out_caller, --, B, *l$index0[0]]
    immed[out_caller, 0]
    br[taken#]
awaited#:
    immed[*l$index0[0], 0]
taken#:
#endm

// The caller that waits, whatever for, if it does; it waits no more.
//   out_caller   register: 0 if it does not
//   in_number    register: its element of replies
//   cycles       8
#macro call_abandon(out_caller, in_number)
    call_select(in_number)
    alu[out_caller, --, B, *l$index0[0]]
    immed[*l$index0[0], 0]
#endm

// A tick for a call. At the end of a try it is marked to be sent again; at the end of the last one it is given up.
//   out_caller   register: longword 0 of the request where it was given up
//   in_number    register: the caller's element of replies
//   GIVEN_UP#    label to branch to then
//   cycles       23
#macro call_tick(out_caller, in_number, GIVEN_UP)
.begin
.reg time ticks limit
    call_select(in_number)
    alu[out_caller, --, B, *l$index0[0]]
    beq[none#]
    alu[time, *l$index0[PENDING_TIME], +, 1]
    ld_field_w_clr[ticks, 0011, time]
    immed[limit, CALL_TICKS]
    alu[--, ticks, -, limit]
    blo[under_way#]
    alu_shf[ticks, 0xF, AND, time, >>PENDING_TRIES]
    alu[--, ticks, -, (CALL_TRIES - 1)]
    blo[again#]
    immed[*l$index0[0], 0]
    br[GIVEN_UP]
again#:
    alu[ticks, ticks, +, 1]
    alu_shf[time, --, B, 1, <<PENDING_DUE]
    alu_shf[time, time, OR, ticks, <<PENDING_TRIES]
    alu[@calls_due, --, B, time]
under_way#:
    alu[*l$index0[PENDING_TIME], --, B, time]
none#:
.end
#endm

// A call that is to be sent again, which then is no more.
//   out_caller, out_sequence, out_entry, out_input0, out_input1, out_input2, out_input3  registers
//   in_number    register: the caller's element of replies
//   NOT#         label to branch to if there is none
//   cycles       19
#macro call_due(out_caller, out_sequence, out_entry, out_input0, out_input1, out_input2, out_input3, in_number, NOT)
.begin
.reg time
    call_select(in_number)
    alu[out_caller, --, B, *l$index0[0]]
    beq[NOT]
    alu[time, --, B, *l$index0[PENDING_TIME]]
    br_bclr[time, PENDING_DUE, NOT]
    alu_shf[time, --, B, time, <<1]
    alu_shf[time, --, B, time, >>1]
    alu[*l$index0[PENDING_TIME], --, B, time]
    alu[out_sequence, --, B, *l$index0[PENDING_NUMBER]]
    alu[out_entry, --, B, *l$index0[1]]
    alu[out_input0, --, B, *l$index0[2]]
    alu[out_input1, --, B, *l$index0[3]]
    alu[out_input2, --, B, *l$index0[4]]
    alu[out_input3, --, B, *l$index0[5]]
.end
#endm

// The element of last_replies of a caller.
//   out_at, in_caller  registers
//   cycles       7
#macro last_reply(out_at, in_caller)
.begin
.reg chip
    caller_number(out_at, in_caller)
    alu_shf[chip, --, B, in_caller, >>24]
    alu_shf[out_at, out_at, OR, chip, <<6]
.end
#endm

// At the home: is a call new? Falls through if it is.
//   out_output0, out_output1, out_output2, out_output3  registers: what it gave back, for a call that was done already
//   in_caller, in_sequence  registers
//   KNOWN#       label to branch to then
//   STALE#       label to branch to if the caller has made another call since
//   cycles       16, and a read
#macro call_look(out_output0, out_output1, out_output2, out_output3, in_caller, in_sequence, KNOWN, STALE)
.begin
.reg at later
.state_xfer kept[5] last_replies
    last_reply(at, in_caller)
    state_read[kept, last_replies, at, 0, 5]
    alu[later, in_sequence, -, kept[0]]
    bmi[STALE]
    bne[new#]
    alu[out_output0, --, B, kept[1]]
    alu[out_output1, --, B, kept[2]]
    alu[out_output2, --, B, kept[3]]
    br[KNOWN], defer[1]
    alu[out_output3, --, B, kept[4]]
new#:
.end
#endm

// At the home: keep what a call has given back.
//   in_caller, in_sequence  registers
//   in_output0, in_output1, in_output2, in_output3  registers
//   cycles       13, and a write
#macro call_keep(in_caller, in_sequence, in_output0, in_output1, in_output2, in_output3)
.begin
.reg at
.state_xfer kept[5] last_replies
    last_reply(at, in_caller)
    alu[kept[0], --, B, in_sequence]
    alu[kept[1], --, B, in_output0]
    alu[kept[2], --, B, in_output1]
    alu[kept[3], --, B, in_output2]
    alu[kept[4], --, B, in_output3]
    state_write[kept, last_replies, at, 0, 5]
.end
#endm

// A context that does nothing else: counts the time of calls, and tells callers whose tries are over.
#macro call_timer_task()
.reg caller number zero
    immed[zero, 0]
    immed[@calls_due, 0]
tick#:
    sleep_steps(CALL_TICK_STEPS)
    immed[number, 63]
each#:
    call_tick(caller, number, given_up#)
next#:
    alu[number, number, -, 1]
    bge[each#]
    br[tick#]
given_up#:
#ifdef RESYNC_FIRST
    alu[--, 0xF, AND, caller]           // a call of control itself: it asks once more
    bne[waits#]
.begin
.reg state
    alu[state, --, B, *l$index0[1]]
    note_gap(state)
.end
    br[next#]
waits#:
#endif
    state_add[oboe_counters, EVENT_CALL_GIVEN_UP, 0, 1]
    answer(caller, 1, zero, zero, zero, zero)
    br[next#]
#endm

// A context that does nothing else: sends again the calls that are due. It may wait for room in the channel, which the
// one that counts the time must not.
#macro call_repeat_task()
.reg caller sequence entry input0 input1 input2 input3 number chip
    alu[chip, --, B, @home]
look#:
    sleep_steps(TICK_STEPS)
#ifdef RESYNC_FIRST
    ask_for_gaps()
#endif
    alu[--, --, B, @calls_due]
    beq[look#]
    immed[@calls_due, 0]
    immed[number, 63]
each#:
    call_due(caller, sequence, entry, input0, input1, input2, input3, number, next#)
    state_add[oboe_counters, EVENT_CALL_AGAIN, 0, 1]
    message_send(chip, MESSAGE_CALL, caller, entry, input0, input1, input2, input3, sequence, next#)
next#:
    alu[number, number, -, 1]
    bge[each#]
    br[look#]
#endm

#endif
