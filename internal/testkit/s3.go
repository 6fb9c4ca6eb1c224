package testkit

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit/private"
)

// S3 gives the MEDIA_URL of a fresh, empty bucket on a private S3-compatible server,
// removed at the test's end. The server is shared by the tests of a process. Its keys
// must be in the environment: see S3Environ.
func S3(t testing.TB) string {
	t.Helper()
	server, err := sharedS3()
	endOn(t, err)
	name := "parley-" + strings.ToLower(rand.Text()[:12])
	dir := filepath.Join(private.Buckets(server), name)
	require.NoError(t, os.Mkdir(dir, 0o700))
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir), "remove the test's bucket") })
	return S3URL(server, name)
}

// S3URL is the MEDIA_URL of a bucket.
func S3URL(server *private.Server, bucket string) string {
	return "s3://" + bucket + "?" + url.Values{"endpoint": {server.URL}, "region": {"us-east-1"}}.Encode()
}

// S3Environ puts the keys of private S3 servers into the environment, for TestMain, and
// takes what else could name others out of it.
func S3Environ() {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": private.S3Key, "AWS_SECRET_ACCESS_KEY": private.S3Secret, "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		_ = os.Setenv(name, value) // fails for names that are none
	}
}

var sharedS3 = sync.OnceValues(func() (*private.Server, error) {
	return private.StartS3(context.Background(), Root())
})

// S3Server gives a server of the test's own with one empty bucket, for tests that kill
// and restart it, and the bucket's MEDIA_URL.
func S3Server(t testing.TB) (server *private.Server, mediaURL string) {
	t.Helper()
	s := startOrEnd(t, private.StartS3)
	stopAtEnd(t, s)
	require.NoError(t, os.Mkdir(filepath.Join(private.Buckets(s), "pictures"), 0o700))
	return s, S3URL(s, "pictures")
}
