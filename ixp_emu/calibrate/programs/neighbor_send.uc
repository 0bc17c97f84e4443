// Writes a next neighbour register of the following microengine, then signals it; leaves both cycles in local memory.

.reg n$mark time
#repeat (20)
    nop
#endloop
    local_csr_rd[profile_count]
    immed[time, 0]
    alu[n$mark, --, B, 1]
    alu[*l$index0++, 2, +, time]
#repeat (120)
    nop
#endloop
    local_csr_rd[profile_count]
    immed[time, 0]
    local_csr_wr[next_neighbor_signal, (SIGNAL << 3)]
    alu[*l$index0++, 2, +, time]
    ctx_arb[kill]
