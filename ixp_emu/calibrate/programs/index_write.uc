// Which word a write through LM_ADDR reaches, GAP instructions behind the write of LM_ADDR: word 16 if it sees it, else 0.

.reg index
    immed[index, 64]
    local_csr_wr[active_lm_addr_0, index]
#repeat (GAP)
    nop
#endloop
    immed[*l$index0, 1]
    ctx_arb[kill]
