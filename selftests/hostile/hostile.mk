# SPDX-License-Identifier: GPL-2.0
#
# mnhostile, a part of ../Makefile. It loads its verbs provider at run time, so it cannot be static.

HOSTILE = mnhostile peer sha256 report framing host as_host as_host_endpoint as_host_request \
	  as_host_option as_host_stream as_host_direct hoard node as_node as_node_memory requests \
	  random victim landing
HOSTILE_OBJ = $(OUT)/obj-hostile
HOSTILE_CFLAGS = $(CFLAGS) -I../kmod-core

all: $(OUT)/mnhostile

$(OUT)/mnhostile: $(HOSTILE:%=$(HOSTILE_OBJ)/%.o) $(HOSTILE_OBJ)/wire.o $(OBJ)/direct.o $(OBJ)/job.o
	$(CC) -pthread -o $@ $^ -lrdmacm -libverbs

$(HOSTILE_OBJ)/%.o: hostile/%.c Makefile hostile/hostile.mk
	@mkdir -p $(HOSTILE_OBJ)
	$(CC) $(HOSTILE_CFLAGS) -MMD -MP -c -o $@ $<

$(HOSTILE_OBJ)/wire.o: ../kmod-core/wire.c Makefile
	@mkdir -p $(HOSTILE_OBJ)
	$(CC) $(HOSTILE_CFLAGS) -MMD -MP -c -o $@ $<

-include $(wildcard $(HOSTILE_OBJ)/*.d)
