// Cycles of something that stays inside the microengine: from the instruction before BODY to the one behind it.
//
//   BODY   one instruction; branches go to out#

.reg start end
.sig never
.set_sig never
    local_csr_rd[profile_count]
    immed[start, 0]
    BODY
    nop
    nop
    nop
out#:
    local_csr_rd[profile_count]
    immed[end, 0]
    alu[*l$index0++, end, -, start]
    ctx_arb[kill]
