// Addresses, ports and checksums of a frame changed. Longwords are named by their byte in the frame: IPv4 begins at byte 14.

#ifndef REWRITE_UC
#define REWRITE_UC

// A longword of the frame.
//   out          register
//   in_at        register: its first byte, a multiple of 4
#macro longword_read(out, in_at)
.reg first second third fourth place
    alu[place, in_at, AND~, 7]
    packet_read(first, second, third, fourth, place)
    alu[out, --, B, first]
    br_bclr[in_at, 2, taken#]
    alu[out, --, B, second]
taken#:
#endm

// Add a 32-bit value's halves to a sum.
//   io_sum, in_word  registers
//   cycles       3
#macro add_halves(io_sum, in_word)
.reg half
    alu_shf[half, --, B, in_word, >>16]
    alu[io_sum, io_sum, +, half]
    alu[io_sum, io_sum, +16, in_word]
#endm

// What a change of an address adds to a checksum's complement: ~m + m' of its halves.
//   io_sum       register, 0 or a sum
//   in_old, in_new  registers
//   cycles       7
#macro add_address_change(io_sum, in_old, in_new)
.reg complement
    alu[complement, --, ~B, in_old]
    add_halves(io_sum, complement)
    add_halves(io_sum, in_new)
#endm

// The same of a port.
//   cycles       3
#macro add_port_change(io_sum, in_old, in_new)
.reg complement
    alu[complement, --, ~B, in_old]
    alu[io_sum, io_sum, +16, complement]
    alu[io_sum, io_sum, +16, in_new]
#endm

// The checksum after changes (RFC 1624, equation 3): HC' = ~(~HC + ~m + m').
//   io_checksum  register: 16 bits, the upper ones 0
//   in_change    register: the sum of ~m + m', below 2^20
//   cycles       9
#macro checksum_change(io_checksum, in_change)
.reg upper
    alu[io_checksum, --, ~B, io_checksum]
    ld_field_w_clr[io_checksum, 0011, io_checksum]
    alu[io_checksum, io_checksum, +, in_change]
    alu_shf[upper, --, B, io_checksum, >>16]
    alu[io_checksum, upper, +16, io_checksum]
    alu_shf[upper, --, B, io_checksum, >>16]
    alu[io_checksum, upper, +16, io_checksum]
    alu[io_checksum, --, ~B, io_checksum]
    ld_field_w_clr[io_checksum, 0011, io_checksum]
#endm

// The source address, or the destination address, with the header's checksum.
//   in_new       register: the address
//   in_change    register: of the addresses
//   OUTGOING     1: the source, 0: the destination
#macro address_rewrite(in_new, in_change, OUTGOING)
.reg word24 word28 word32 word36 checksum
    packet_read(word24, word28, word32, word36, 24)
    alu_shf[checksum, --, B, word24, >>16]
    checksum_change(checksum, in_change)
    ld_field[word24, 1100, checksum, <<16]
#if (OUTGOING)
    ld_field[word24, 0011, in_new, >>16]
    ld_field[word28, 1100, in_new, <<16]
#else
    ld_field[word28, 0011, in_new, >>16]
    ld_field[word32, 1100, in_new, <<16]
    packet_write(32, word32)
#endif
    packet_write(24, word24)
    packet_write(28, word28)
#endm

// The source port, or the destination port.
//   in_new       register
//   in_options   register: bytes of IPv4 options
#macro port_rewrite(in_new, in_options, OUTGOING)
.reg word at
#if (OUTGOING)
    alu[at, in_options, +, 32]
    longword_read(word, at)
    ld_field[word, 0011, in_new]
#else
    alu[at, in_options, +, 36]
    longword_read(word, at)
    ld_field[word, 1100, in_new, <<16]
#endif
    packet_write(at, word)
#endm

// The checksum of TCP or UDP.
//   in_change    register: of address and port
//   in_options   register: bytes of IPv4 options
//   in_protocol  register, bits 7:0
#macro transport_checksum_rewrite(in_change, in_options, in_protocol)
.reg word at checksum
    br=byte[in_protocol, 0, PROTOCOL_UDP, udp#]
    alu[at, in_options, +, 48]
    longword_read(word, at)
    ld_field_w_clr[checksum, 0011, word]
    checksum_change(checksum, in_change)
    ld_field[word, 0011, checksum]
    br[write#]
udp#:
    alu[at, in_options, +, 40]
    longword_read(word, at)
    alu_shf[checksum, --, B, word, >>16]
    beq[done#]                                  // none
    checksum_change(checksum, in_change)
    alu[--, --, B, checksum]
    bne[sum#]
    immed[checksum, 0xFFFF]
sum#:
    ld_field[word, 1100, checksum, <<16]
write#:
    packet_write(at, word)
done#:
#endm

#endif
