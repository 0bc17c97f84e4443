// One command, timed: the cycle of its issue and the cycle in which its signal lets the context go on, to local memory.
//
//   COMMAND   the command, with its signal; addresses are `zero` and `address`
//   FIRST     1: WARMING_COMMAND runs before it (opens a row, fills a queue); 0: nothing does
//   ADDRESS   what `address` holds
//   MEDIA     1: the command is an indirect reference to the start of RBUF and TBUF
//   PAD       0 or 1: instructions in between, so that the command issues in the other phase of the chassis clock

.reg zero address media start end
.reg $data[16] $$data[16]
.sig done
.set $data[0], $data[1], $data[2], $data[3], $data[4], $data[5], $data[6], $data[7]
.set $data[8], $data[9], $data[10], $data[11], $data[12], $data[13], $data[14], $data[15]
.set $$data[0], $$data[1], $$data[2], $$data[3], $$data[4], $$data[5], $$data[6], $$data[7]
.set $$data[8], $$data[9], $$data[10], $$data[11], $$data[12], $$data[13], $$data[14], $$data[15]
    immed[zero, 0]
    immed[address, (ADDRESS & 0xFFFF)]
    immed_w1[address, ((ADDRESS >> 16) & 0xFFFF)]
    immed[media, (((0x2000 << 5) | (1 << 4)) & 0xFFFF)]
    immed_w1[media, ((0x2000 << 5) >> 16)]
#if (FIRST)
    WARMING_COMMAND
    ctx_arb[done]
#endif
#repeat (PAD)
    nop
#endloop
    local_csr_rd[profile_count]
    immed[start, 0]
#if (MEDIA)
    alu[--, --, B, media]
#endif
    COMMAND
    ctx_arb[done]
    local_csr_rd[profile_count]
    immed[end, 0]
    alu[*l$index0++, --, B, start]
    alu[*l$index0++, --, B, end]
    ctx_arb[kill]
