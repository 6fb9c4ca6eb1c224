// Package private starts real PostgreSQL, Redis, NATS and S3 servers that nobody
// else uses: on a free loopback port, in a temporary folder, gone with the
// process that started them. Tests, benchmarks and `make test` use it; the
// product never does.
package private
