// The checksum of an IPv4 header whose frame begins 14 bytes before it.

#ifndef CHECKSUM_UC
#define CHECKSUM_UC

// Ones' complement sum, begun with longwords 3 to 7 of the frame: the header's first 18 bytes.
//   out_sum      register; the carry is clear afterwards
//   in_type .. in_addresses  registers: longwords 3, 4, 5, 6, 7
//   cycles       6
#macro sum_begin(out_sum, in_type, in_length, in_fragment, in_checksum, in_addresses)
.reg first
    ld_field_w_clr[first, 0011, in_type]
    alu[out_sum, in_length, +, in_fragment]
    alu[out_sum, out_sum, +carry, in_checksum]
    alu[out_sum, out_sum, +carry, in_addresses]
    alu[out_sum, out_sum, +carry, first]                // 16 bits, so that adding the carry cannot carry again
    alu[out_sum, out_sum, +carry, 0]
#endm

// Ones' complement sum, ended with the header's last two bytes and folded to 16 bits.
//   io_sum       register
//   in_last      register: the header's last two bytes are its bits 31:16
//   cycles       7
#macro sum_end(io_sum, in_last)
.reg tail
    alu_shf[tail, --, B, in_last, >>16]
    alu[io_sum, io_sum, +, tail]
    alu[io_sum, io_sum, +carry, 0]
    fold(io_sum)
    fold(io_sum)
#endm

// Add the upper 16 bits of a sum to the lower ones.
//   io_sum       register
//   cycles       2
#macro fold(io_sum)
.reg upper
    alu_shf[upper, --, B, io_sum, >>16]
    alu[io_sum, upper, +16, io_sum]
#endm

#endif
