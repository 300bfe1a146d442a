# Every Waystone program in one image; docker-compose.yml says which one a container runs.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY . .
RUN --mount=type=cache,target=/src/target --mount=type=cache,target=/usr/local/cargo/registry \
    cargo build --profile dist --locked --workspace --bins \
 && install -D -t /out target/dist/central target/dist/map-spawn target/dist/map \
      target/dist/client target/dist/mmo

FROM debian:bookworm-slim
RUN useradd --system --create-home --home-dir /var/lib/waystone waystone
COPY --from=build /out/ /usr/local/bin/
USER waystone
WORKDIR /var/lib/waystone
# Servers drain on SIGTERM; docker stop sends it.
STOPSIGNAL SIGTERM
