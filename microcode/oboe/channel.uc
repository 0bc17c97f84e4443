// Control channels: between each two working chips messages of control come in order and once, or not at all any more.
//
// Go-back-N: a message has a number in its channel; up to 16 may be unanswered, and their copies are kept in DRAM. A
// receiver takes the number it expects and no other. Every message, and at least one each tick in which something came,
// says which number is expected next. What is not answered for some ticks is sent again, all of it. A chip that is not
// heard of for five heartbeats is down. docs/oboe.md, section 6.
//
// Contexts that send hold a lock, for numbers must go out in order; the tick does not.

#ifndef OBOE_CHANNEL_UC
#define OBOE_CHANNEL_UC

#include "structures.uc"
#include "message.uc"
#include "timer.uc"

#define WINDOW 16
#define COPY_BYTES 128
#define RESEND_TICKS 10
#define DOWN_HEARTBEATS 5

// By chip: number of the next message to it, of the oldest unanswered one, of the next from it, as last told to it; ticks
// since it was heard, and since the oldest was answered.
#define CHANNEL_NEXT 0
#define CHANNEL_BASE 1
#define CHANNEL_EXPECTED 2
#define CHANNEL_TOLD 3
#define CHANNEL_SILENT 4
#define CHANNEL_STALLED 5
.structure channels element_bytes=32 count=MAX_CHIPS align=32 access=read,write sharing=me
.structure channel_copies element_bytes=128 count=(MAX_CHIPS * WINDOW) align=128 access=read,write sharing=me memory=dram

.reg @sending @down                     // the lock; a bit for each chip that is down
.sig copied

// A buffer for a message; the context waits for one. Uses buffers and got of control.
//   out_handle   register
//   out_place    register: DRAM address where the message begins
//   cycles       9, and a get
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

// Branch if a chip is down.
//   in_chip      register
//   DOWN#        label
//   cycles       4
#macro branch_down(in_chip, DOWN)
.begin
.reg mask
    alu[mask, --, B, @down]
    alu[--, in_chip, OR, 0]
    alu_shf[--, 1, AND, mask, >>indirect]
    bne[DOWN]
.end
#endm

// DRAM address of the copy of a message.
//   out_place    register
//   in_chip, in_number  registers
//   cycles       5; 6 where the copies lie beyond 64 KB
#macro copy_place(out_place, in_chip, in_number)
.begin
.reg base
    alu[out_place, (WINDOW - 1), AND, in_number]
    alu_shf[out_place, out_place, OR, in_chip, <<4]
    alu_shf[out_place, --, B, out_place, <<7]
    state_base[base, channel_copies]
    alu[out_place, out_place, +, base]
.end
#endm

// Begin a message to a chip: lock, wait for room in the window.
//   out_place    register: where it is to be written
//   out_number   register: its number
//   in_chip      register
//   DOWN#        label to branch to if the chip is down; nothing is locked then
//   cycles       25, and a read
#macro channel_open(out_place, out_number, in_chip, DOWN)
.begin
.reg under_way
lock#:
    branch_down(in_chip, DOWN)
    alu[--, --, B, @sending]
    beq[locked#]
    ctx_arb[voluntary]
    br[lock#]
locked#:
    immed[@sending, 1]
window#:
.state_xfer channel[2] channels
    state_read[channel, channels, in_chip, CHANNEL_NEXT, 2]
    alu[out_number, --, B, channel[0]]
    alu[under_way, out_number, -, channel[1]]
    alu[--, under_way, -, WINDOW]
    blo[open#]
    branch_down(in_chip, gone#)
    br[window#]
gone#:
    immed[@sending, 0]
    br[DOWN]
open#:
    copy_place(out_place, in_chip, out_number)
.end
#endm

// Send a message that stands at its copy's place, and unlock.
//   in_place, in_number, in_chip  registers
//   cycles       4, a write and channel_put
#macro channel_close(in_place, in_number, in_chip)
.begin
.state_xfer next[1] channels
    alu[next[0], in_number, +, 1]
    state_write[next, channels, in_chip, CHANNEL_NEXT, 1]
.end
    channel_put(in_place, in_chip)
    immed[@sending, 0]
#endm

// Put a message's copy on the transmit ring, with what is expected from the chip now.
//   in_place, in_chip  registers
//   cycles       66, a get, two reads of state, two moves of 64 bytes each way and a put
#macro channel_put(in_place, in_chip)
.begin
.reg handle at part expected port
    message_buffer(handle, at)
    tell_expected(expected, in_chip)
.begin
.reg $$line[16]
    dram[read, $$line[0], in_place, 0, 8], structure[channel_copies], sig_done[copied]
    ctx_arb[copied]
    immed[part, ((FRAME_OFFSET >> 6) << OFFSET_SHIFT)]
    alu[handle, handle, OR, part]
    ld_field_w_clr[part, 0011, $$line[6]]
    alu[part, part, +, MESSAGE_BODY]
    alu_shf[handle, handle, OR, part, <<16]
#for word [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15]
    alu[$$line[word], --, B, $$line[word]]
#endloop
    alu[$$line[8], --, B, expected]
    dram[write, $$line[0], at, 0, 8], structure[packet_buffers], sig_done[copied]
    ctx_arb[copied]
    dram[read, $$line[0], in_place, 64, 8], structure[channel_copies], sig_done[copied]
    ctx_arb[copied]
#for word [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    alu[$$line[word], --, B, $$line[word]]
#endloop
    dram[write, $$line[0], at, 64, 8], structure[packet_buffers], sig_done[copied]
    ctx_arb[copied]
.end
    message_transmit(handle, in_chip)
.end
#endm

// The number expected next from a chip, which is told to it now.
//   out_expected, in_chip  registers
//   cycles       2, a read and a write
#macro tell_expected(out_expected, in_chip)
.begin
.state_xfer channel[1] channels
    state_read[channel, channels, in_chip, CHANNEL_EXPECTED, 1]
    alu[out_expected, --, B, channel[0]]
    alu[channel[0], --, B, out_expected]
    state_write[channel, channels, in_chip, CHANNEL_TOLD, 1]
.end
#endm

// Longwords 0 to 9 of a message.
//   in_place     register
//   in_chip      register: the chip it goes to
//   in_number    register: its number in the channel
//   TYPE         MESSAGE_*
//   LENGTH       bytes behind longword 8
//   in_argument  register: longword 8
//   in_word0     register: longword 9
//   cycles       28, a read and two writes
#macro message_header(in_place, in_chip, in_number, TYPE, LENGTH, in_argument, in_word0)
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
    ld_field_w_clr[part, 0011, in_number]
.reg kind
    immed[kind, ((MESSAGE_VERSION << 12) | (TYPE << 8)), <<16]
    alu[$$out[4], part, OR, kind]
    alu_shf[part, --, B, in_chip, <<16]
    alu[self, --, B, @self]
    alu_shf[part, part, OR, self, <<24]
    alu[$$out[5], --, B, part]
    immed[part, LENGTH]
    alu[$$out[6], --, B, part]
    immed[$$out[7], 0]
    dram[write, $$out[0], in_place, 0, 4], structure[channel_copies], sig_done[written]
    ctx_arb[written]
.end
.begin
.reg write $$out[2]
    alu[$$out[0], --, B, in_argument]
    alu[$$out[1], --, B, in_word0]
    dram[write, $$out[0], in_place, 32, 1], structure[channel_copies], sig_done[written]
    ctx_arb[written]
.end
.end
#endm

// A message of control has come from a chip: it is alive, and has told what it expects. Branches unless the message is
// the next of its channel.
//   in_chip      register: where it comes from
//   in_kind      register: longword 4
//   in_expected  register: longword 8
//   NO#          label
//   cycles       40, two reads and up to four writes
#macro channel_arrival(in_chip, in_kind, in_expected, NO)
.begin
.reg answered number
.state_xfer channel[3] channels
    immed[channel[0], 0]
    state_write[channel, channels, in_chip, CHANNEL_SILENT, 1]
    state_read[channel, channels, in_chip, CHANNEL_BASE, 2]
    alu[number, --, B, channel[1]]
    alu[answered, in_expected, -, channel[0]]
    beq[nothing_new#]
    alu[--, WINDOW, -, answered]
    blo[nothing_new#]                   // an old message
    alu[channel[0], --, B, in_expected]
    state_write[channel, channels, in_chip, CHANNEL_BASE, 1]
    immed[channel[0], 0]
    state_write[channel, channels, in_chip, CHANNEL_STALLED, 1]
nothing_new#:
    alu_shf[answered, 0xF, AND, in_kind, >>24]
    alu[--, answered, -, MESSAGE_ACK]
    beq[NO]
    alu[answered, number, XOR, in_kind]
    alu_shf[--, --, B, answered, <<16]
    bne[NO]
    alu[channel[0], number, +, 1]
    state_write[channel, channels, in_chip, CHANNEL_EXPECTED, 1]
.end
#endm

// A context that does nothing else: each tick, for each other working chip, what has come is answered, a heartbeat is
// sent when it is due, what is not answered is sent again, and a chip that is silent is declared down.
#macro channel_task()
.reg beat chip left expected place handle zero number
    immed[beat, 0]
    immed[zero, 0]
tick#:
    sleep_steps(TICK_STEPS)
    alu[beat, beat, -, 1]
    bge[counted#]
    immed[beat, (TICKS_PER_HEARTBEAT - 1)]
counted#:
    immed[chip, 0]
    immed[left, WORKING_CHIPS]
each#:
    br_bclr[left, 0, next#]
    alu[number, --, B, @self]
    alu[--, number, XOR, chip]
    beq[next#]
    branch_down(chip, next#)
.begin
.reg silent stalled told next base
.state_xfer channel[6] channels
    state_read[channel, channels, chip, 0, 6]
    alu[next, --, B, channel[CHANNEL_NEXT]]
    alu[base, --, B, channel[CHANNEL_BASE]]
    alu[told, channel[CHANNEL_EXPECTED], -, 0]
    alu[told, told, -, channel[CHANNEL_TOLD]]
    alu[stalled, channel[CHANNEL_STALLED], +, 1]
    alu[silent, channel[CHANNEL_SILENT], +, 1]
    alu[channel[0], --, B, silent]
    state_write[channel, channels, chip, CHANNEL_SILENT, 1]
    immed[number, (DOWN_HEARTBEATS * TICKS_PER_HEARTBEAT + 1)]      // one more: a beat falls anywhere within a tick
    alu[--, number, -, silent]
    bhs[alive#]
    chip_is_down(chip)
    br[next#]
alive#:
    alu[--, --, B, beat]
    beq[answer#]
    alu[--, --, B, told]
    beq[answered#]
answer#:
    message_buffer(handle, place)
    tell_expected(expected, chip)
    message_header(place, chip, zero, MESSAGE_ACK, (64 - MESSAGE_BODY), expected, zero)
    immed[number, ((FRAME_OFFSET >> 6) << OFFSET_SHIFT)]
    immed_w1[number, 64]
    alu[handle, handle, OR, number]
    message_transmit(handle, chip)
answered#:
    alu[--, next, -, base]
    bne[open#]
    immed[stalled, 0]
open#:
    alu[--, stalled, -, RESEND_TICKS]
    blo[waited#]
again#:
    alu[--, next, -, base]
    beq[sent_again#]
    copy_place(place, chip, base)
    channel_put(place, chip)
    state_add[oboe_counters, EVENT_SENT_AGAIN, 0, 1]
    alu[base, base, +, 1]
    br[again#]
sent_again#:
    immed[stalled, 0]
waited#:
.state_xfer count[1] channels
    alu[count[0], --, B, stalled]
    state_write[count, channels, chip, CHANNEL_STALLED, 1]
.end
next#:
    alu[chip, chip, +, 1]
    alu_shf[left, --, B, left, >>1]
    bne[each#]
    br[tick#]
#endm

// Nothing is expected from a chip any more: classify drops what is for it, and callers who wait for it are told.
//   in_chip      register
//   cycles       6, a write, and what pending calls take
#macro chip_is_down(in_chip)
.begin
.reg bit mask
    immed[bit, 1]
    alu[--, in_chip, OR, 0]
    alu_shf[bit, --, B, bit, <<indirect]
    alu[mask, bit, OR, @down]
    alu[@down, --, B, mask]
.state_xfer word[1] chips_down
    alu[word[0], --, B, mask]
    state_write[word, chips_down, 0, 0, 1]
    alu[bit, --, B, @home]
    alu[--, bit, XOR, in_chip]
    bne[done#]
    calls_fail()
done#:
.end
#endm

#endif
