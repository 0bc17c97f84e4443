// Ordered sections: the contexts of a microengine take turns, 0 to 7 and again, by a signal that each hands to the
// next. A section is entered by ctx_arb on its signal (together with whatever else the context waits for) and left by
// turn_pass. Sleeping inside a section keeps the others out of it.

#ifndef ORDERED_UC
#define ORDERED_UC

// Give the first turn to context 0. Every context executes it once, before it first waits for the turn.
//   TURN    signal of the section
//   cycles  2 in context 0, 3 in the others
#macro turn_begin(TURN)
    br!=ctx[0, begun#]
    local_csr_wr[same_me_signal, ((&TURN) << 3)]
begun#:
#endm

// Leave the section: signal the next context.
//   TURN    signal of the section
//   cycles  1
#macro turn_pass(TURN)
    local_csr_wr[same_me_signal, (0x80 | ((&TURN) << 3))]
#endm

#endif
