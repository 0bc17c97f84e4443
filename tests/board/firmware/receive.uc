/*
 * Receive firmware for a host driver: POS-PHY, one list of 64-byte RBUF elements, all eight contexts of one ME.
 *
 * Ring 0 (pending) holds addresses of descriptors in SRAM that the driver fills in:
 *     0  address of a packet buffer in DRAM, a multiple of 8
 *     4  its size in bytes
 *     8  port               } filled in here
 *     12 bytes of the packet }
 * Ring 1 (done) takes them when the packet is complete; interrupt A tells the driver. Its flag means nearly full.
 *
 * A packet that finds no descriptor, or is larger than its buffer, is dropped and counted.
 */

#define RX_THREAD_FREELIST_0    0x0030
#define RBUF_ELEMENT_DONE       0x0044

#define RING_PENDING            0
#define RING_DONE               1

#define ELEMENT_SHIFT           6
#define STATE_SHIFT             5       // eight longwords a port

#if (1 << ELEMENT_SHIFT) != 64
#error "written for elements of 64 bytes"
#endif

// What a port is doing, in local memory.
#define PORT_MODE               *l$index0[0]
#define MODE_IDLE               0
#define MODE_RECEIVING          1
#define MODE_DROPPING           2
#define PORT_DESCRIPTOR         *l$index0[1]
#define PORT_BUFFER             *l$index0[2]
#define PORT_ROOM               *l$index0[3]
#define PORT_LENGTH             *l$index0[4]
#define PORT_DROPS              *l$index0[5]

    .sig volatile turn_list
    .sig volatile turn_state
    .sig volatile turn_deliver
    .sig mpacket_arrived
    .reg freelist_entry
    .reg read $rsw0, $rsw1
    .xfer_order $rsw0 $rsw1
    .reg zero

    /* The word that asks for an mpacket. */
    .begin
        .reg status, thread

        immed[freelist_entry, RX_THREAD_FREELIST_0]
        immed_w1[freelist_entry, (&$rsw0 | (&mpacket_arrived << 12))]
        local_csr_rd[ACTIVE_CTX_STS]
        immed[status, 0]
        alu[thread, status, AND, 0x1f]                  // ME in the cluster, context
        alu_shf[thread, --, B, thread, <<4]
        alu_shf[freelist_entry, freelist_entry, OR, thread, <<16]
        alu[thread, status, AND, 0x80]                  // cluster
        alu_shf[freelist_entry, freelist_entry, OR, thread, <<18]
        immed[zero, 0]
    .end

    .set_sig turn_list turn_state turn_deliver
    br!=ctx[0, mpacket_loop#]
    local_csr_wr[SAME_ME_SIGNAL, (&turn_list << 3)]
    local_csr_wr[SAME_ME_SIGNAL, (&turn_state << 3)]
    local_csr_wr[SAME_ME_SIGNAL, (&turn_deliver << 3)]

mpacket_loop#:
    /* Ask in turn, so that mpackets come in turn. */
    ctx_arb[turn_list]
    msf[fast_wr, --, freelist_entry, 0]
    local_csr_wr[SAME_ME_SIGNAL, (0x80 | (&turn_list << 3))]
    .set_sig mpacket_arrived
    ctx_arb[mpacket_arrived, turn_state]

    .begin
        .reg element, bytes, port, descriptor, length, deliver, place
        .reg temp, temp2

        alu_shf[element, 0x7f, AND, $rsw0, >>24]
        alu_shf[bytes, 0xff, AND, $rsw0, >>16]
        alu[port, $rsw0, AND, 0x1f]
        alu_shf[temp, --, B, port, <<STATE_SHIFT]
        local_csr_wr[ACTIVE_LM_ADDR_0, temp]
        immed[deliver, 0]
        immed[descriptor, 0]
        immed[length, 0]

        /* The first mpacket of a packet takes a descriptor, unless one is left over. */
        alu[--, 1, AND, $rsw0, >>15]
        beq[not_first#]
        alu[PORT_LENGTH, --, B, zero]
        alu[temp, --, B, PORT_DESCRIPTOR]
        bne[have_descriptor#]
        .begin
            .reg read $fresh
            .sig got_fresh

            scratch[get, $fresh, zero, (RING_PENDING << 2), 1], ctx_swap[got_fresh]
            alu[temp, --, B, $fresh]
            beq[no_descriptor#]
        .end
        .begin
            .reg read $buffer, $size
            .xfer_order $buffer $size
            .sig got_descriptor

            sram[read, $buffer, temp, 0, 2],
                ctx_swap[got_descriptor]
            alu[PORT_DESCRIPTOR, --, B, temp]
            alu[PORT_BUFFER, --, B, $buffer]
            alu[PORT_ROOM, --, B, $size]
        .end
have_descriptor#:
        immed[temp, MODE_RECEIVING]
        br[mode_known#], defer[1]
        alu[PORT_MODE, --, B, temp]
no_descriptor#:
        immed[temp, MODE_DROPPING]
        alu[PORT_MODE, --, B, temp]
        alu[PORT_DROPS, PORT_DROPS, +, 1]
        br[mode_known#]

not_first#:
        alu[temp, --, B, PORT_MODE]
mode_known#:
        alu[--, temp, -, MODE_RECEIVING]
        bne[dropped#]

        /* Does it fit? */
        alu[place, bytes, +, PORT_LENGTH]
        alu[temp2, --, B, PORT_ROOM]
        alu[--, temp2, -, place]
        bhs[fits#]
        immed[temp, MODE_DROPPING]
        alu[PORT_MODE, --, B, temp]
        alu[PORT_DROPS, PORT_DROPS, +, 1]
        br[dropped#]

fits#:
        alu[temp, --, B, PORT_LENGTH]
        alu[PORT_LENGTH, --, B, place]
        alu[length, --, B, place]
        alu[place, temp, +, PORT_BUFFER]
        alu[--, 1, AND, $rsw0, >>14]
        beq[state_done#]
        immed[deliver, 1]
        alu[descriptor, --, B, PORT_DESCRIPTOR]
        alu[PORT_DESCRIPTOR, --, B, zero]
        alu[PORT_MODE, --, B, zero]
state_done#:
        local_csr_wr[SAME_ME_SIGNAL, (0x80 | (&turn_state << 3))]

        /* Move (bytes + 7) / 8 quadwords from the element. */
        .begin
            .sig moved
            .reg quadwords

            alu[quadwords, bytes, +, 7]
            alu_shf[quadwords, --, B, quadwords, >>3]
            alu[quadwords, quadwords, -, 1]
            immed[temp, 0x10]                           // the element's address counts
            immed_w1[temp, 0x0204]                      // so does the number of quadwords; elements begin at 0x2000
            alu_shf[temp, temp, OR, quadwords, <<21]
            alu_shf[temp, temp, OR, element, <<(ELEMENT_SHIFT + 5)]
            dram[rbuf_rd, --, place, 0, max_16],
                indirect_ref, sig_done[moved]
            ctx_arb[moved]
        .end
        br[free_element#]

dropped#:
        local_csr_wr[SAME_ME_SIGNAL, (0x80 | (&turn_state << 3))]

free_element#:
        alu_shf[temp, --, B, element, <<16]
        alu[temp, temp, OR, RBUF_ELEMENT_DONE]
        msf[fast_wr, --, temp, 0]

        /* Deliver in turn. */
        ctx_arb[turn_deliver]
        alu[--, --, B, deliver]
        beq[delivered#]
        .begin
            .reg write $port, $length, $done
            .xfer_order $port $length
            .sig written, put

            alu[$port, --, B, port]
            alu[$length, --, B, length]
            sram[write, $port, descriptor, 8, 2], ctx_swap[written]
done_full#:
            br_inp_state[SCR_RING1_STATUS, wait_for_driver#]
            alu[$done, --, B, descriptor]
            scratch[put, $done, zero, (RING_DONE << 2), 1], ctx_swap[put]
            cap[fast_wr, 0, XSCALE_INT_A]
            br[delivered#]
wait_for_driver#:
            ctx_arb[voluntary]
            br[done_full#]
        .end
delivered#:
        local_csr_wr[SAME_ME_SIGNAL, (0x80 | (&turn_deliver << 3))]
        br[mpacket_loop#]
    .end
