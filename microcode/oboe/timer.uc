// Sleeping for a time.

#ifndef OBOE_TIMER_UC
#define OBOE_TIMER_UC

.sig tick

// Sleep for so many steps of 16 cycles. The context's timer compares 16 bits, so longer times are slept in pieces.
//   STEPS        constant, 2 to 2^31
//   cycles       9, for each piece of 32,768 steps
#macro sleep_steps(STEPS)
.begin
.reg left now piece
    immed[left, ((STEPS) & 0xFFFF)]
    immed_w1[left, (((STEPS) >> 16) & 0xFFFF)]
    immed[piece, (&tick)]
    local_csr_wr[active_future_count_signal, piece]
piece#:
    immed[piece, 0x8000]
    alu[--, left, -, piece]
    bhs[whole#]
    alu[piece, --, B, left]
whole#:
    local_csr_rd[timestamp_low]
    immed[now, 0]
    alu[now, now, +, piece]
    ld_field_w_clr[now, 0011, now]
    local_csr_wr[active_ctx_future_count, now]
    ctx_arb[tick]
    alu[left, left, -, piece]
    bne[piece#]
.end
#endm

#endif
