# Builds with any builder of images: docker build -t cometbridge:0.1.0 .
# Both bases can be named, e.g. images of your own registry: --build-arg BASE=… --build-arg BUILDER=…
ARG BUILDER=rust:1.95-bookworm
ARG BASE=debian:bookworm-slim

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
# "portable": OpenSSL and zlib of librdkafka are linked in, so the final stage needs glibc alone.
RUN cargo build --release --locked --features portable \
    && install -D -m 0755 target/release/cometbridge /out/cometbridge

FROM ${BASE}
LABEL org.opencontainers.image.title="cometbridge" \
      org.opencontainers.image.description="Holds CometD sessions for many contact-centre agents and fans their notifications out to Kafka, webhooks and stdout" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# From the build stage and not by a package manager, so that nothing is fetched here and any glibc base will do: the CA
# certificates for TLS, and the time zones for a site's time_zone.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /out/cometbridge /usr/bin/cometbridge
# The journal's place; a named volume mounted here takes over owner and mode, which must be just these.
RUN install -d -m 0700 -o 10001 -g 10001 /var/lib/cometbridge
USER 10001:10001
# [admin]: /livez, /readyz, /metrics. In a container it must listen beyond loopback, and then needs a token.
EXPOSE 9464
# SIGTERM lets the sinks finish what is in hand (25 s by default): stop with a longer grace, docker stop -t 40.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/cometbridge"]
CMD ["run", "--config", "/etc/cometbridge/cometbridge.toml"]
