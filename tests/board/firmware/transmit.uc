/*
 * Transmit firmware for a host driver: POS-PHY, one TBUF partition of 64-byte elements, all eight contexts of one ME.
 *
 * Ring 2 (pending) holds addresses of descriptors in SRAM:
 *     0  address of the packet in DRAM, a multiple of 8
 *     4  not used
 *     8  port
 *     12 bytes of the packet
 * Ring 3 (done) takes them when the packet is in TBUF; interrupt A tells the driver. Its flag means nearly full.
 *
 * The driver sets the register `zero` of every context to 0.
 *
 * Contexts take an mpacket each, in turn. TBUF elements leave in order of their numbers, so nothing else orders them.
 */

#define TX_SEQUENCE_0           0x0060
#define TBUF_CONTROL            0x1800

#define RING_PENDING            2
#define RING_DONE               3

#define ELEMENT_SHIFT           6
#define ELEMENT_BYTES           (1 << ELEMENT_SHIFT)
#define ELEMENTS                128
#define IN_FLIGHT               96

#if (ELEMENTS * ELEMENT_BYTES) != 8192
#error "written for 8 KB of TBUF in elements of 64 bytes"
#endif

#define FLAG_SOP                2       // bits 9 and 8 of the control word
#define FLAG_EOP                1

    .sig volatile turn_take
    .sig volatile turn_finish
    .reg @place, @left, @port, @descriptor, @flags
    .reg @taken, @sent
    .reg zero

    .set zero
    .set_sig turn_take turn_finish
    br!=ctx[0, loop#]
    immed[@left, 0]
    immed[@taken, 0]
    immed[@sent, 0]
    local_csr_wr[SAME_ME_SIGNAL, (&turn_take << 3)]
    local_csr_wr[SAME_ME_SIGNAL, (&turn_finish << 3)]

loop#:
    ctx_arb[turn_take]
    .begin
        .reg place, size, port, descriptor, flags, element
        .reg temp

        alu[--, --, B, @left]
        bne[take#]

        /* The next packet. */
        .begin
            .reg read $next
            .sig got_next

            br[poll#]
nothing#:
            ctx_arb[voluntary]
poll#:
            scratch[get, $next, zero, (RING_PENDING << 2), 1], ctx_swap[got_next]
            alu[temp, --, B, $next]
            beq[nothing#]
        .end
        .begin
            .reg read $buffer, $size, $port, $bytes
            .xfer_order $buffer $size $port $bytes
            .sig got_descriptor

            sram[read, $buffer, temp, 0, 4], ctx_swap[got_descriptor]
            alu[@descriptor, --, B, temp]
            alu[@place, --, B, $buffer]
            alu[@port, --, B, $port]
            alu[@left, --, B, $bytes]
            immed[@flags, FLAG_SOP]
        .end

take#:
        alu[descriptor, --, B, @descriptor]
        alu[place, --, B, @place]
        alu[port, --, B, @port]
        alu[flags, --, B, @flags]
        alu[size, --, B, @left]
        alu[--, ELEMENT_BYTES, -, size]
        bhs[last#]
        immed[size, ELEMENT_BYTES]
        br[sized#]
last#:
        alu[flags, flags, OR, FLAG_EOP]
sized#:
        alu[temp, @left, -, size]
        alu[@left, --, B, temp]
        alu[temp, ELEMENT_BYTES, +, @place]
        alu[@place, --, B, temp]
        immed[@flags, 0]

        /* An element, once enough of those before it are sent. */
in_flight#:
        alu[temp, --, B, @taken]
        alu[temp, temp, -, @sent]
        alu[temp, temp, AND, 0xff]
        alu[--, temp, -, IN_FLIGHT]
        blo[room#]
        .begin
            .reg read $sequence
            .sig got_sequence

            msf[read, $sequence, zero, TX_SEQUENCE_0, 1], ctx_swap[got_sequence]
            alu[@sent, --, B, $sequence]
            br[in_flight#]
        .end
room#:
        alu[element, (ELEMENTS - 1), AND, @taken]
        alu[temp, 1, +, @taken]
        alu[@taken, --, B, temp]
        local_csr_wr[SAME_ME_SIGNAL, (0x80 | (&turn_take << 3))]

        /* The data. */
        .begin
            .sig moved
            .reg quadwords, reference

            alu[quadwords, size, +, 7]
            alu_shf[quadwords, --, B, quadwords, >>3]
            alu[quadwords, quadwords, -, 1]
            immed[reference, 0x10]
            immed_w1[reference, 0x0204]
            alu_shf[reference, reference, OR, quadwords, <<21]
            alu_shf[reference, reference, OR, element, <<(ELEMENT_SHIFT + 5)]
            dram[tbuf_wr, --, place, 0, max_16], indirect_ref, sig_done[moved]
            ctx_arb[moved]
        .end

        /* Its control words. */
        .begin
            .reg write $control0, $control1
            .xfer_order $control0 $control1
            .sig validated

            alu_shf[temp, port, OR, flags, <<8]
            alu_shf[temp, temp, OR, size, <<24]
            alu[$control0, --, B, temp]
            alu[$control1, --, B, zero]
            immed[temp, TBUF_CONTROL]
            alu_shf[temp, temp, OR, element, <<3]
            msf[write, $control0, temp, 0, 2],
                ctx_swap[validated]
        .end

        /* Give the packet back in turn. */
        ctx_arb[turn_finish]
        br_bclr[flags, 0, finished#]
        .begin
            .reg write $done
            .sig put

done_full#:
            br_!inp_state[SCR_RING3_STATUS, done_room#]
            ctx_arb[voluntary]
            br[done_full#]
done_room#:
            alu[$done, --, B, descriptor]
            scratch[put, $done, zero, (RING_DONE << 2), 1], ctx_swap[put]
            cap[fast_wr, 0, XSCALE_INT_A]
        .end
finished#:
        local_csr_wr[SAME_ME_SIGNAL, (0x80 | (&turn_finish << 3))]
        br[loop#]
    .end
