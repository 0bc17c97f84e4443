// The program of the bare interpreter loop: plain instructions alone, in about the shares of forward.uc, rx.uc and tx.uc.
// A round executes 56 to 60: 13 or 14 shifts, 7 or 8 moves, 16 other ALU operations, 8 immed, 3 ld_field, 11 branches.
// Five or six branches are taken; two of them depend on data that changes from round to round.

.reg a b c d e count mask
    immed[a, 0x1234]
    immed[b, 0x0F0F]
    immed[c, 0x00FF]
    immed[d, 1]
    immed[e, 0x4500]
    immed[count, 0]
    immed[mask, 0xFFFF]

loop#:
    immed[e, 0x4500]
    alu_shf[a, --, B, b, >>16]
    alu[d, --, B, a]
    alu[--, a, -, d]
    bne[loop#]                          // never
    alu_shf[c, a, OR, b, <<8]
    alu[b, b, +, c]
    immed[d, 0x0800]
    alu_shf[--, 0xFE, AND, b, >>8]
    beq[rare#]                          // seldom
    alu[b, b, +carry, 0]
    alu[e, --, B, b]
rare#:
    br!=byte[e, 3, 69, other#]          // nearly always
    alu[d, --, B, d]
other#:
    alu_shf[a, --, B, a, <<2]
    ld_field[c, 0011, a, >>16]
    alu[a, a, +16, c]
    alu[d, --, B, c]
    immed[e, 20]
    alu_shf[c, --, B, c, >>4]
    alu[--, e, -, 20]
    beq[plain#]                         // always
    alu[d, d, +, 1]
plain#:
    alu[b, b, XOR, a]
    alu_shf[d, mask, AND, b, >>8]
    br_bset[b, 3, odd#]                 // half
    alu[a, --, B, d]
    alu[c, c, +, a]
odd#:
    alu_shf[e, --, B, a, <<6]
    alu[d, d, AND, mask]
    immed[c, 0x00FF]
    br[join#]
    alu[d, d, +, 1]
join#:
    alu_shf[a, --, B, b, >>rot3]
    alu[e, --, B, d]
    ld_field[e, 1100, b]
    alu[d, e, -, c]
    blo[less#]                          // hardly ever
    alu_shf[c, --, B, d, <<8]
    immed[e, 7]
less#:
    alu[c, c, OR, e]
    alu[b, b, +, d]
    alu[--, --, B, b]
    bmi[minus#]                         // half
    alu_shf[d, --, B, b, >>24]
minus#:
    br!=ctx[0, loop#]                   // never
    immed[c, 0x64]
    alu[e, --, B, c]
    alu_shf[a, --, B, b, >>rot11]
    alu[a, a, XOR, count]
    alu[b, b, +carry, 0]
    br[tail#]
    alu[d, d, +, 1]
tail#:
    ld_field[d, 0001, a]
    alu_shf[e, e, OR, d, <<4]
    alu[c, --, B, e]
    immed[e, 1]
    alu[a, a, +, c]
    alu_shf[c, --, B, c, <<1]
    alu[--, d, -, e]
    immed[d, 0x1F]
    alu_shf[b, a, OR, b, >>3]
    alu[count, count, +, 1]
    br[loop#]
