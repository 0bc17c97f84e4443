// Merges that no command of the memories does: or, min, max.
//
// Where several contexts may change a longword at once, one that the value would not change is left alone, and that needs
// one look; for a change a context takes the lock of the entry, looks again, and writes. There are 32 locks, one bit each:
// the scratchpad's test_and_set gives one to the first that asks.

#ifndef OBOE_COMBINE_UC
#define OBOE_COMBINE_UC

// Names with two underscores are not those of a service's registers, which are arguments here.

#define MERGE_OR 1
#define MERGE_MIN 2
#define MERGE_MAX 3
.structure combine_locks element_bytes=4 count=1 align=4 access=test_and_set,test_and_clr memory=scratch sharing=chip

// What a longword becomes.
//   out_new      register
//   STATE        structure
//   in_entry     register or constant
//   WORD         constant: longword of the entry
//   in_value     register
//   MERGE        MERGE_*
//   SAME#        label to branch to if it stays as it is
//   cycles       3 or 4, and a read
#macro combined(out_new, STATE, in_entry, WORD, in_value, MERGE, SAME)
.begin
.state_xfer block__[1] STATE
    state_read[block__, STATE, in_entry, WORD, 1]
#if (MERGE == MERGE_OR)
    alu[out_new, in_value, OR, block__[0]]
    alu[--, out_new, XOR, block__[0]]
    beq[SAME]
#else
#if (MERGE == MERGE_MIN)
    alu[--, in_value, -, block__[0]]
#else
    alu[--, block__[0], -, in_value]
#endif
    bhs[SAME]
    alu[out_new, --, B, in_value]
#endif
.end
#endm

// Merge a value into a longword that no other context changes.
//   STATE        structure
//   in_entry     register or constant
//   WORD         constant: longword of the entry
//   in_value     register
//   MERGE        MERGE_*
//   cycles       3 or 4, and a read; for a change 1 more, and a write
#macro combine_alone(STATE, in_entry, WORD, in_value, MERGE)
.begin
.reg new__
    combined(new__, STATE, in_entry, WORD, in_value, MERGE, same#)
.begin
.state_xfer block__[1] STATE
    alu[block__[0], --, B, new__]
    state_write[block__, STATE, in_entry, WORD, 1]
.end
same#:
.end
#endm

// The address of the locks, and the bit of an entry's.
//   out_at, out_bit  registers
//   in_entry     register
//   cycles       4 or 5
#macro combine_lock_of(out_at, out_bit, in_entry)
    immed[out_bit, 1]
    alu[--, in_entry, OR, 0]
    alu_shf[out_bit, --, B, out_bit, <<indirect]
    state_base[out_at, combine_locks]
#endm

// Merge a value into a longword that other contexts may change at the same time.
//   STATE        structure
//   in_entry     register
//   WORD         constant: longword of the entry
//   in_value     register
//   MERGE        MERGE_*
//   cycles       3 or 4, and a read; for a change 15 more, a read, a write and two atomic accesses
#macro combine(STATE, in_entry, WORD, in_value, MERGE)
.begin
.reg new__
    combined(new__, STATE, in_entry, WORD, in_value, MERGE, same#)
.begin
.reg at__ bit__
.reg $lock
.sig locked
    combine_lock_of(at__, bit__, in_entry)
wait#:
    alu[$lock, --, B, bit__]
    scratch[test_and_set, $lock, at__, 0], structure[combine_locks], sig_done[locked]
    ctx_arb[locked]
    alu[--, bit__, AND, $lock]
    bne[wait#]
.end
    combined(new__, STATE, in_entry, WORD, in_value, MERGE, unlock#)
.begin
.state_xfer block__[1] STATE
    alu[block__[0], --, B, new__]
    state_write[block__, STATE, in_entry, WORD, 1]
.end
unlock#:
.begin
.reg at__ bit__
.reg $lock
.sig unlocked
    combine_lock_of(at__, bit__, in_entry)
    alu[$lock, --, B, bit__]
    scratch[test_and_clr, $lock, at__, 0], structure[combine_locks], sig_done[unlocked]
    ctx_arb[unlocked]
.end
same#:
.end
#endm

#endif
