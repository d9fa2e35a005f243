package org.cometbridge.peer;

import java.util.HashSet;
import java.util.Set;

/** The command line of the peer. */
record Options(int port, boolean ack, long timeout, long interval, long maxInterval, boolean csrf,
               boolean handshakeDelivery, Set<String> deniedChannels, String contextPath) {

    static Options parse(String[] args) {
        int port = 0;
        boolean ack = true;
        long timeout = 20000;
        long interval = 0;
        long maxInterval = 10000;
        boolean csrf = false;
        boolean handshakeDelivery = false;
        Set<String> denied = new HashSet<>();
        String contextPath = "/";
        for (int i = 0; i < args.length; i += 2) {
            if (i + 1 == args.length) {
                throw new IllegalArgumentException(args[i] + " needs a value");
            }
            String value = args[i + 1];
            switch (args[i]) {
                case "--port" -> port = Integer.parseInt(value);
                case "--ack" -> ack = Boolean.parseBoolean(value);
                case "--timeout" -> timeout = Long.parseLong(value);
                case "--interval" -> interval = Long.parseLong(value);
                case "--max-interval" -> maxInterval = Long.parseLong(value);
                case "--csrf" -> csrf = Boolean.parseBoolean(value);
                case "--handshake-delivery" -> handshakeDelivery = Boolean.parseBoolean(value);
                case "--deny-channel" -> denied.add(value);
                case "--context-path" -> contextPath = value;
                default -> throw new IllegalArgumentException("unknown option " + args[i]);
            }
        }
        return new Options(port, ack, timeout, interval, maxInterval, csrf, handshakeDelivery, Set.copyOf(denied),
            contextPath);
    }
}
