// Control: what happens beside the packets. Each context has a task of its own:
//
//   0   the server: at the home it runs strict operations, one at a time in the order in which they come; elsewhere it
//       sends them to the home
//   1   takes messages of the control channel from receive
//   2   merges the partials of commutative states, period by period
//   3   answers for the channels, and watches them
//   4   counts the time of calls, and tells callers whose home does not answer
//   5   sends calls again that were not answered in time, and asks for what replicas have missed
//   6   lets bundles of chips that are down begin again
//
// The operations stand before this file in the program, with the macros serve_operation and apply_replica.

#include "structures.uc"
#include "message.uc"
#include "../lib/identity.uc"

.reg @self @home
#ifdef RESYNC_FIRST
.reg @own_caller                        // longword 0 of a request of this microengine, signal 0
#endif
.reg buffers
.sig got, written, put_done

#include "faults.uc"

#include "send.uc"
#include "replica.uc"
#ifdef MERGING
#include "merge.uc"
#endif
#if (CHIPS > 1)
#include "restart.uc"
#endif

#if (CHIPS > 1)
    immed[@down, 0]
    immed[@sending, 0]
    immed[@calls_due, 0]
#endif
#ifdef RESYNC_FIRST
    immed[@gaps, 0]
#endif
.begin
.state_xfer identity[4] chip_identity
    state_read[identity, chip_identity, 0, 0, 4]
    alu[@self, --, B, identity[IDENTITY_CHIP]]
    alu[@home, --, B, identity[IDENTITY_HOME]]
.end
#ifdef RESYNC_FIRST
.begin
.reg engine context value cluster
    identify(engine, context)
    alu_shf[cluster, 1, AND, engine, >>2]
    alu_shf[value, 3, AND, engine, >>0]
    alu_shf[value, value, OR, cluster, <<4]
    alu_shf[value, --, B, value, <<7]
    alu[cluster, --, B, @self]
    alu_shf[value, value, OR, cluster, <<24]
    alu[@own_caller, --, B, value]
.end
#endif
    state_base[buffers, packet_buffers]
#ifdef STRICT_LOG
    immed[@logged, 0]
#endif
    br=ctx[0, server#]
#if (CHIPS > 1)
    br=ctx[1, receiver#]
#endif
#ifdef MERGING
    br=ctx[2, merger#]
#endif
#if (CHIPS > 1)
    br=ctx[3, channels#]
    br=ctx[4, call_timer#]
    br=ctx[5, call_repeats#]
    br=ctx[6, restarts#]
#endif
    ctx_arb[kill]

#ifdef STRICT_LOG
// What the server did, in order: operation + 1, entry, inputs, caller, 0. Asked for by the configuration.
.structure strict_log element_bytes=32 count=STRICT_LOG align=32 access=write sharing=me
.reg @logged
#endif

// Write an operation down, while there is room.
//   in_operation, in_entry, in_input0, in_input1, in_input2, in_input3, in_caller  registers
//   cycles       none; with a log 14, and a write
#macro log_operation(in_operation, in_entry, in_input0, in_input1, in_input2, in_input3, in_caller)
#ifdef STRICT_LOG
.begin
.reg at most
.state_xfer line[8] strict_log
    alu[at, --, B, @logged]
    immed[most, (STRICT_LOG & 0xFFFF)]
    immed_w1[most, (STRICT_LOG >> 16)]
    alu[--, at, -, most]
    bhs[full#]
    alu[most, at, +, 1]
    alu[@logged, --, B, most]
    alu[line[0], in_operation, +, 1]
    alu[line[1], --, B, in_entry]
    alu[line[2], --, B, in_input0]
    alu[line[3], --, B, in_input1]
    alu[line[4], --, B, in_input2]
    alu[line[5], --, B, in_input3]
    alu[line[6], --, B, in_caller]
    immed[line[7], 0]
    state_write[line, strict_log, at, 0, 8]
full#:
.end
#endif
#endm

// --- the server ------------------------------------------------------------------------------------------------------

server#:
.begin
.reg caller entry input0 input1 input2 input3 output0 output1 output2 output3 chip sequence zero
    immed[zero, 0]
request#:
.begin
.reg read $request[8]
    scratch[get, $request[0], (REQUEST_RING << 2), 0, 8], structure[request_ring], ctx_swap[got]
    alu[caller, --, B, $request[0]]
#if (CHIPS > 1)
    bne[have#]
    scratch[get, $request[0], (CALL_RING << 2), 0, 8], structure[call_ring], ctx_swap[got]
    alu[caller, --, B, $request[0]]
#endif
#ifdef REPEATING
    bne[have#]
    repeat_due(caller, entry, input0, input1, input2, input3, sequence, request#)
    br[again#]
#else
    beq[request#]
#endif
have#:
    alu[entry, --, B, $request[1]]
    alu[input0, --, B, $request[2]]
    alu[input1, --, B, $request[3]]
    alu[input2, --, B, $request[4]]
    alu[input3, --, B, $request[5]]
    alu[sequence, --, B, $request[6]]
.end
again#:
#if (CHIPS > 1)
    alu[chip, --, B, @home]
    alu[--, chip, -, @self]
    beq[here#]
    call_note(sequence, caller, entry, input0, input1, input2, input3)
    message_send(chip, MESSAGE_CALL, caller, entry, input0, input1, input2, input3, sequence, home_down#)
    br[request#]
home_down#:
    caller_number(chip, caller)
    call_abandon(caller, chip)
    alu[--, --, B, caller]
    beq[request#]
    answer(caller, 1, zero, zero, zero, zero)
    br[request#]
here#:
    alu_shf[chip, --, B, caller, >>24]
    alu[--, chip, -, @self]
    beq[execute#]
    call_look(output0, output1, output2, output3, caller, sequence, known#, stale#)
execute#:
#endif
.begin
.reg operation
    alu_shf[operation, 0xFF, AND, caller, >>16]
    immed[output0, 0]
    immed[output1, 0]
    immed[output2, 0]
    immed[output3, 0]
    log_operation(operation, entry, input0, input1, input2, input3, caller)
    serve_operation(operation, entry, input0, input1, input2, input3, output0, output1, output2, output3)
.end
#if (CHIPS > 1)
    alu_shf[chip, --, B, caller, >>24]
    alu[--, chip, -, @self]
    beq[answer_here#]
    call_keep(caller, sequence, output0, output1, output2, output3)
reply#:
    message_send(chip, MESSAGE_REPLY, caller, output0, output1, output2, output3, zero, sequence, request#)
    br[request#]

// A call that comes again, done already; and one whose caller was told the answer, or gave up, before its last call.
known#:
    state_add[oboe_counters, EVENT_CALL_REPEATED, 0, 1]
    br[reply#]
stale#:
    state_add[oboe_counters, EVENT_CALL_STALE, 0, 1]
    br[request#]
answer_here#:
#endif
    answer(caller, 0, output0, output1, output2, output3)
    br[request#]
.end

#if (CHIPS > 1)
// --- messages --------------------------------------------------------------------------------------------------------

receiver#:
.begin
.reg descriptor handle place kind type from to expected caller word1 word2 word3 word4 word5 sequence
.begin
.reg read $frame[2]
    scratch[get, $frame[0], (CONTROL_RING << 2), 0, 2], structure[control_ring], ctx_swap[got]
    alu[descriptor, --, B, $frame[0]]
    beq[receiver#]
.end
.begin
.reg read $$words[12]                   // longwords 4 to 15
    buffer_handle(handle, descriptor)
    buffer_offset(place, handle)
    alu[place, place, +, buffers]
    dram[read, $$words[0], place, (FRAME_OFFSET + 16), 6], structure[packet_buffers], sig_done[written]
    ctx_arb[written]
    alu[kind, --, B, $$words[0]]
    alu_shf[from, --, B, $$words[1], >>24]
    alu_shf[to, 0xFF, AND, $$words[1], >>16]
    alu[expected, --, B, $$words[4]]
    alu[caller, --, B, $$words[5]]
    alu[word1, --, B, $$words[6]]
    alu[word2, --, B, $$words[7]]
    alu[word3, --, B, $$words[8]]
    alu[word4, --, B, $$words[9]]
    alu[word5, --, B, $$words[10]]
    alu[sequence, --, B, $$words[11]]
    alu[--, to, -, @self]
    bne[pass_on#]
    alu[--, from, -, @self]             // its own partials, which no channel brought
    beq[taken#]
    drop_as_ordered(kind, LOST_FROM_LINK, not_taken#)
    channel_arrival(from, kind, expected, not_taken#)
    drop_as_ordered(kind, LOST_BEHIND_CHANNEL, not_taken#)
.end
taken#:
    alu_shf[type, 0xF, AND, kind, >>24]
#ifdef MERGING
    alu[--, type, -, MESSAGE_PARTIAL]
    bne[no_partial#]
    alu_shf[word1, --, B, caller, >>24]
    alu_shf[word2, --, B, caller, <<8]
    alu_shf[word2, --, B, word2, >>8]
    apply_partial(place, word1, word2)
    br[not_taken#]
no_partial#:
#endif
    buffer_free(handle)
    alu[--, type, -, MESSAGE_CALL]
    beq[call#]
    alu[--, type, -, MESSAGE_REPLY]
    bne[no_reply#]
    caller_number(word5, caller)
    call_take(caller, word5, sequence)
    alu[--, --, B, caller]
    beq[late#]
    answer(caller, 0, word1, word2, word3, word4)
    br[receiver#]
no_reply#:
    alu[--, type, -, MESSAGE_REPLICA]
    bne[receiver#]
    apply_replica(caller, word1, word2, word3, word4, word5)
    br[receiver#]

// A reply to a call that was answered or given up.
late#:
    state_add[oboe_counters, EVENT_REPLY_LATE, 0, 1]
    br[receiver#]
not_taken#:
    buffer_free(handle)
    br[receiver#]

// A message for another chip, to which the way leads through this one.
pass_on#:
    alu_shf[descriptor, descriptor, OR, (FRAME_OFFSET >> 6), <<OFFSET_SHIFT]
    message_transmit(descriptor, to)
    br[receiver#]

call#:
.begin
.reg write $request[8]
    alu[$request[0], --, B, caller]
    alu[$request[1], --, B, word1]
    alu[$request[2], --, B, word2]
    alu[$request[3], --, B, word3]
    alu[$request[4], --, B, word4]
    alu[$request[5], --, B, word5]
    alu[$request[6], --, B, sequence]
    immed[$request[7], 0]
room#:
    br_!inp_state[scr_ring9_status, put#]
    pause(call_ring)
    br[room#]
put#:
    scratch[put, $request[0], (CALL_RING << 2), 0, 8], structure[call_ring], ctx_swap[put_done]
.end
    repeat_keep(caller, word1, word2, word3, word4, word5, sequence)
    br[receiver#]
.end
#endif

#ifdef MERGING
// --- merging ---------------------------------------------------------------------------------------------------------

merger#:
    merge_task()
#endif

#if (CHIPS > 1)
// --- channels --------------------------------------------------------------------------------------------------------

channels#:
    channel_task()

// --- calls -----------------------------------------------------------------------------------------------------------

call_timer#:
    call_timer_task()
call_repeats#:
    call_repeat_task()

// --- bundles ---------------------------------------------------------------------------------------------------------

restarts#:
    restart_task()
#endif
