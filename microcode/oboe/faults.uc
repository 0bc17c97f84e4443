// Messages that get lost or come twice on purpose: only in builds whose configuration has such faults. The host writes
// the orders.

#ifndef OBOE_FAULTS_UC
#define OBOE_FAULTS_UC

#ifdef DROPPING
// How many messages, and of which type, this chip shall lose as they come: from the link, and behind the channel.
#define LOST_FROM_LINK 0
#define LOST_BEHIND_CHANNEL 1
.structure drop_order element_bytes=8 count=2 align=8 access=read,write sharing=chip
#endif

#ifdef REPEATING
// How many calls shall come to the server a second time, and how many steps of 16 cycles later; and the one that is kept
// for that: longwords 0 to 5 of the request, its number, when it is due.
.structure repeat_order element_bytes=8 count=1 align=8 access=read,write sharing=me
.structure repeated_call element_bytes=32 count=1 align=32 access=read,write sharing=me
#endif

// Branch if a message is to be lost.
//   in_kind      register: longword 4
//   WHERE        LOST_*
//   LOST#        label
//   cycles       none; in such builds 8, a read, and a write for a loss
#macro drop_as_ordered(in_kind, WHERE, LOST)
#ifdef DROPPING
.begin
.reg type
.state_xfer order[2] drop_order
    state_read[order, drop_order, WHERE, 0, 2]
    alu_shf[type, 0xF, AND, in_kind, >>24]
    alu[type, order[1], XOR, type]
    bne[kept#]
    alu[type, order[0], -, 1]
    bmi[kept#]
    alu[order[0], --, B, type]
    state_write[order, drop_order, WHERE, 0, 1]
    br[LOST]
kept#:
.end
#endif
#endm

// Keep a call that has come, if that is ordered and none is kept yet.
//   in_caller, in_entry, in_input0, in_input1, in_input2, in_input3, in_sequence  registers
//   cycles       none; in such builds 20, two reads and two writes
#macro repeat_keep(in_caller, in_entry, in_input0, in_input1, in_input2, in_input3, in_sequence)
#ifdef REPEATING
.begin
.reg steps
.begin
.state_xfer call[1] repeated_call
    state_read[call, repeated_call, 0, 0, 1]
    alu[--, --, B, call[0]]
    bne[done#]
.end
.begin
.reg count
.state_xfer order[2] repeat_order
    state_read[order, repeat_order, 0, 0, 2]
    alu[steps, --, B, order[1]]
    alu[count, order[0], -, 1]
    bmi[done#]
    alu[order[0], --, B, count]
    state_write[order, repeat_order, 0, 0, 1]
.end
.begin
.reg due
.state_xfer call[8] repeated_call
    local_csr_rd[timestamp_low]
    immed[due, 0]
    alu[due, due, +, steps]
    alu[call[0], --, B, in_caller]
    alu[call[1], --, B, in_entry]
    alu[call[2], --, B, in_input0]
    alu[call[3], --, B, in_input1]
    alu[call[4], --, B, in_input2]
    alu[call[5], --, B, in_input3]
    alu[call[6], --, B, in_sequence]
    alu[call[7], --, B, due]
    state_write[call, repeated_call, 0, 0, 8]
.end
done#:
.end
#endif
#endm

// The call that is kept, once it is due.
//   out_caller, out_entry, out_input0, out_input1, out_input2, out_input3, out_sequence  registers
//   NONE#        label to branch to if it is not, or there is none
//   cycles       none; in such builds 18, a read and a write
#macro repeat_due(out_caller, out_entry, out_input0, out_input1, out_input2, out_input3, out_sequence, NONE)
#ifdef REPEATING
.begin
.reg late
.state_xfer call[8] repeated_call
    state_read[call, repeated_call, 0, 0, 8]
    alu[out_caller, --, B, call[0]]
    beq[NONE]
    local_csr_rd[timestamp_low]
    immed[late, 0]
    alu[late, late, -, call[7]]
    bmi[NONE]
    alu[out_entry, --, B, call[1]]
    alu[out_input0, --, B, call[2]]
    alu[out_input1, --, B, call[3]]
    alu[out_input2, --, B, call[4]]
    alu[out_input3, --, B, call[5]]
    alu[out_sequence, --, B, call[6]]
    immed[call[0], 0]
    state_write[call, repeated_call, 0, 0, 1]
.end
#endif
#endm

#endif
