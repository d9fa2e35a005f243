package org.cometbridge.peer;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.cometd.bayeux.Channel;
import org.cometd.bayeux.ChannelId;
import org.cometd.bayeux.Promise;
import org.cometd.bayeux.server.BayeuxServer;
import org.cometd.bayeux.server.ServerChannel;
import org.cometd.bayeux.server.ServerMessage;
import org.cometd.bayeux.server.ServerSession;
import org.cometd.server.BayeuxServerImpl;
import org.cometd.server.DefaultSecurityPolicy;
import org.cometd.server.ServerSessionImpl;
import org.cometd.server.ext.AcknowledgedMessagesExtension;
import org.eclipse.jetty.util.ajax.JSON;

/** Everything between the control API and CometD: whose session is whose, delivery, and what has been acknowledged. */
final class Notifier {
    private static final String USER = "peer.user";
    private static final String EXPORTED = "peer.exported";

    private final Options options;
    private final Stats stats;
    /** User name to the user's live CometD sessions. */
    private final Map<String, Set<ServerSession>> sessions = new ConcurrentHashMap<>();
    private final Set<String> held = ConcurrentHashMap.newKeySet();
    private final List<String> acked = new ArrayList<>();
    /** User name to what the user's next session finds waiting. */
    private final Map<String, List<Waiting>> welcomes = new ConcurrentHashMap<>();
    private BayeuxServerImpl bayeux;

    /** One message for one session: the data as the text it was given in, and the tag of the publisher. */
    private static final class Tagged extends JSON.Literal {
        private final String tag;

        Tagged(String json, String tag) {
            super(json);
            this.tag = tag;
        }
    }

    Notifier(Options options, Stats stats) {
        this.options = options;
        this.stats = stats;
    }

    void attach(BayeuxServer server) {
        bayeux = (BayeuxServerImpl)server;
        bayeux.setAllowedTransports("long-polling");
        bayeux.setSecurityPolicy(new Policy());
        bayeux.addExtension(new Counter());
        bayeux.addListener(new Registry());
        if (options.ack()) {
            AcknowledgedMessagesExtension extension = new AcknowledgedMessagesExtension();
            extension.addListener(new AckWatch());
            bayeux.addExtension(extension);
        }
    }

    /** Delivers to each session of the user that subscribed to the channel; returns to how many. */
    int publish(String user, String channel, String json, String tag) {
        stats.add("published");
        ChannelId channelId = new ChannelId(channel);
        int count = 0;
        for (ServerSession session : sessions.getOrDefault(user, Set.of())) {
            if (session.isHandshook() && subscribed(session, channelId)) {
                session.deliver(null, channel, new Tagged(json, tag), Promise.noop());
                stats.add("delivered");
                count++;
            }
        }
        return count;
    }

    private record Waiting(String channel, Tagged data) {
    }

    /** Keeps a message for the handshake of the user's next session. */
    void welcome(String user, String channel, String json, String tag) {
        stats.add("published");
        welcomes.computeIfAbsent(user, u -> Collections.synchronizedList(new ArrayList<>()))
            .add(new Waiting(channel, new Tagged(json, tag)));
    }

    private static boolean subscribed(ServerSession session, ChannelId channel) {
        for (ServerChannel subscription : session.getSubscriptions()) {
            ChannelId id = subscription.getChannelId();
            if (id.equals(channel) || id.isWild() && id.matches(channel)) {
                return true;
            }
        }
        return false;
    }

    /** Removes the user's CometD sessions the way the server's own sweep does; returns how many. */
    int drop(String user) {
        int count = 0;
        for (ServerSession session : sessions.getOrDefault(user, Set.of())) {
            ((ServerSessionImpl)session).destroyScheduler();
            bayeux.removeServerSession(session, true);
            count++;
        }
        return count;
    }

    List<String> acked() {
        synchronized (acked) {
            return List.copyOf(acked);
        }
    }

    Map<String, Object> describeSessions() {
        Map<String, Object> users = new TreeMap<>();
        sessions.forEach((user, set) -> {
            if (!set.isEmpty()) {
                Set<String> channels = new TreeSet<>();
                int waiting = 0;
                for (ServerSession session : set) {
                    session.getSubscriptions().forEach(c -> channels.add(c.getId()));
                    waiting += held.contains(session.getId()) ? 1 : 0;
                }
                users.put(user, Map.of("sessions", set.size(), "channels", channels, "held", waiting));
            }
        });
        return Map.of("users", users);
    }

    Map<String, Object> describeStats() {
        Map<String, Object> result = stats.snapshot();
        result.put("liveSessions", sessions.values().stream().mapToInt(Set::size).sum());
        result.put("held", held.size());
        return result;
    }

    /** Clients may subscribe to all but the denied channels, and may publish nothing. */
    private final class Policy extends DefaultSecurityPolicy {
        @Override
        public boolean canSubscribe(BayeuxServer server, ServerSession session, ServerChannel channel,
                                    ServerMessage message) {
            if (options.deniedChannels().contains(channel.getId())) {
                stats.add("deniedSubscribes");
                return false;
            }
            return super.canSubscribe(server, session, channel, message);
        }

        @Override
        public boolean canPublish(BayeuxServer server, ServerSession session, ServerChannel channel,
                                  ServerMessage message) {
            return false;
        }
    }

    private final class Counter implements BayeuxServer.Extension {
        @Override
        public boolean rcv(ServerSession from, ServerMessage.Mutable message) {
            stats.add("clientPublishes");
            return true;
        }

        @Override
        public boolean rcvMeta(ServerSession from, ServerMessage.Mutable message) {
            switch (message.getChannel()) {
                case Channel.META_HANDSHAKE -> stats.add("handshakes");
                case Channel.META_CONNECT -> stats.add("connects");
                case Channel.META_SUBSCRIBE -> stats.add("subscribes");
                case Channel.META_UNSUBSCRIBE -> stats.add("unsubscribes");
                case Channel.META_DISCONNECT -> stats.add("disconnects");
                default -> { }
            }
            return true;
        }
    }

    /** Binds a new CometD session to the user of the HTTP session that made the handshake. */
    private final class Registry implements BayeuxServer.SessionListener {
        @Override
        public void sessionAdded(ServerSession session, ServerMessage message) {
            if (session.isLocalSession()) {
                return;
            }
            stats.add("sessionsAdded");
            String user = (String)message.getBayeuxContext().getRequestAttribute(NotificationsServlet.USER);
            session.setAttribute(USER, user);
            session.setAttribute(EXPORTED, new LinkedHashMap<Tagged, Long>());
            session.addListener(new HoldWatch());
            sessions.computeIfAbsent(user, u -> ConcurrentHashMap.newKeySet()).add(session);
            List<Waiting> waiting = welcomes.remove(user);
            if (waiting != null) {
                for (Waiting item : waiting) {
                    session.deliver(null, item.channel(), item.data(), Promise.noop());
                    stats.add("delivered");
                }
            }
        }

        @Override
        public void sessionRemoved(ServerSession session, ServerMessage message, boolean timeout) {
            String user = (String)session.getAttribute(USER);
            if (user != null) {
                stats.add(timeout ? "sessionsExpired" : "sessionsRemoved");
                sessions.get(user).remove(session);
                held.remove(session.getId());
            }
        }
    }

    private final class HoldWatch implements ServerSession.HeartBeatListener {
        @Override
        public void onSuspended(ServerSession session, ServerMessage message, long timeout) {
            held.add(session.getId());
            stats.max("maxHeld", held.size());
        }

        @Override
        public void onResumed(ServerSession session, ServerMessage message, boolean timeout) {
            held.remove(session.getId());
        }
    }

    /**
     * Follows the batches of the acknowledgement extension. A message is acknowledged when its session sends a
     * connect whose ext.ack reaches the first batch in which the message was written. Both calls come under the
     * lock of the session.
     */
    private final class AckWatch implements AcknowledgedMessagesExtension.Listener {
        @Override
        public void onBatchSend(ServerSession session, List<ServerMessage> messages, long batch) {
            for (ServerMessage message : messages) {
                if (message.getData() instanceof Tagged tagged) {
                    exported(session).putIfAbsent(tagged, batch);
                }
            }
        }

        @Override
        public void onBatchReceive(ServerSession session, long batch) {
            Iterator<Map.Entry<Tagged, Long>> entries = exported(session).entrySet().iterator();
            while (entries.hasNext()) {
                Map.Entry<Tagged, Long> entry = entries.next();
                if (entry.getValue() <= batch) {
                    entries.remove();
                    stats.add("acked");
                    synchronized (acked) {
                        acked.add(entry.getKey().tag);
                    }
                }
            }
        }

        @SuppressWarnings("unchecked")
        private Map<Tagged, Long> exported(ServerSession session) {
            return (Map<Tagged, Long>)session.getAttribute(EXPORTED);
        }
    }
}
