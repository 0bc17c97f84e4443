// Nothing is done with a packet.

#macro service_new_flow()
#endm

#macro service_packet()
#endm

#macro service_evict()
#endm
