package org.cometbridge.peer;

import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.ContextHandlerCollection;
import org.eclipse.jetty.util.thread.QueuedThreadPool;

/** Starts the peer: one Jetty on loopback with the REST stub, the CometD endpoint and the control API. */
public final class Main {
    private Main() {
    }

    public static void main(String[] args) throws Exception {
        Options options;
        try {
            options = Options.parse(args);
        } catch (IllegalArgumentException x) {
            System.err.println("cometd-peer: " + x.getMessage());
            System.exit(2);
            return;
        }
        Stats stats = new Stats();
        Logins logins = new Logins();
        Notifier notifier = new Notifier(options, stats);

        Server server = new Server(new QueuedThreadPool(100, 8));
        ServerConnector connector = new ServerConnector(server);
        connector.setHost("127.0.0.1");
        connector.setPort(options.port());
        connector.setAcceptQueueSize(1024);
        // A held connect must not look idle.
        connector.setIdleTimeout(options.timeout() + 60000);
        server.addConnector(connector);

        ServletContextHandler api = new ServletContextHandler(options.contextPath(), ServletContextHandler.SESSIONS);
        ServletHolder notifications = new ServletHolder(new NotificationsServlet(options, notifier, stats));
        notifications.setInitParameter("timeout", String.valueOf(options.timeout()));
        notifications.setInitParameter("interval", String.valueOf(options.interval()));
        notifications.setInitParameter("maxInterval", String.valueOf(options.maxInterval()));
        notifications.setInitParameter("allowMessageDeliveryDuringHandshake",
            String.valueOf(options.handshakeDelivery()));
        notifications.setAsyncSupported(true);
        notifications.setInitOrder(1);
        api.addServlet(notifications, "/api/v2/notifications/*");
        api.addServlet(new ServletHolder(new ApiServlet(options, logins, stats)), "/api/v2/*");

        ServletContextHandler control = new ServletContextHandler("/control");
        control.addServlet(new ServletHolder(new ControlServlet(logins, notifier)), "/*");

        server.setHandler(new ContextHandlerCollection(control, api));
        server.start();
        System.out.println("READY http://127.0.0.1:" + connector.getLocalPort());
        System.out.flush();

        // The parent holds our stdin; when it is gone, so are we.
        byte[] sink = new byte[256];
        while (System.in.read(sink) >= 0) {
            // Input means nothing.
        }
        Runtime.getRuntime().halt(0);
    }
}
