// Bytes 40 to 43 of the frame become the ticket, plus what stood there.

#macro service_new_flow()
#endm

#macro service_evict()
#endm

#macro service_packet()
.reg number ticket word1 word2 word3
    packet_read(number, word1, word2, word3, 40)
    take(1, number, ticket)
    packet_write(40, ticket)
#endm
