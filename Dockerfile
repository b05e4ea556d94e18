# The image of the service: built in a Debian that has the packages (or can install them), and then
# only the program, its shared libraries and the certificate authorities.  dev/image builds it.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS build
# A base made by dev/image has all of these; only a pulled one installs anything.
RUN set -e; \
	need="gcc libc6-dev cmake ninja-build pkg-config libmicrohttpd-dev libjansson-dev \
		libcurl4-openssl-dev libarchive-dev libsqlite3-dev libzstd-dev libssl-dev libxxhash-dev ca-certificates \
		tzdata"; \
	if ! dpkg-query -W $need >/dev/null 2>&1; then \
		apt-get -qq -o Acquire::Retries=5 update; \
		DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=5 \
			install -y --no-install-recommends $need; \
	fi
WORKDIR /source
COPY . .
RUN set -e; \
	cmake -S . -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release -DFB_TESTS=OFF; \
	cmake --build /build --target fuel-backupd
RUN set -e; \
	mkdir -p /image/etc/ssl/certs /image/var/backup/fuel /image/run; \
	mkdir -m 1777 /image/tmp; \
	cp /build/fuel-backupd /image/; \
	strip /image/fuel-backupd; \
	ldd /image/fuel-backupd | grep -o '/[^ ]*' >/build/libraries; \
	ls /lib/*/libgcc_s.so.1 /usr/lib/*/libgcc_s.so.1 2>/dev/null | head -n 1 >>/build/libraries; \
	sort -u /build/libraries | xargs cp -L --parents -t /image; \
	cp -L /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/; \
	mkdir -p /image/usr/share; \
	cp -r /usr/share/zoneinfo /image/usr/share/; \
	rm -rf /image/usr/share/zoneinfo/right /image/usr/share/zoneinfo/posix; \
	echo 'root:x:0:0:root:/:/fuel-backupd' >/image/etc/passwd; \
	echo 'root:x:0:' >/image/etc/group; \
	echo 'hosts: files dns' >/image/etc/nsswitch.conf; \
	du -sh /image

FROM scratch
COPY --from=build /image/ /
LABEL org.opencontainers.image.title="fuel-backup" \
	org.opencontainers.image.description="Consistent backups of a Docker host's whole stack, by HTTP" \
	org.opencontainers.image.version="0.1.0" \
	org.opencontainers.image.licenses="Apache-2.0"
ENV FUEL_BACKUP_LISTEN=0.0.0.0:8088
EXPOSE 8088
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["/fuel-backupd", "healthcheck"]
ENTRYPOINT ["/fuel-backupd"]
CMD ["serve"]
