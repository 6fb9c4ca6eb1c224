package media_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/media"
	"parley/internal/testkit"
)

// onBuckets runs a test on a folder and on a bucket of a real S3-compatible server.
func onBuckets(t *testing.T, test func(t *testing.T, where string)) {
	t.Helper()
	t.Parallel()
	t.Run("folder", func(t *testing.T) { t.Parallel(); test(t, filepath.Join(t.TempDir(), "made", "media")) })
	t.Run("s3", func(t *testing.T) { t.Parallel(); test(t, testkit.S3(t)) })
}

func openBucket(t testing.TB, where string) *media.Bucket {
	t.Helper()
	b, err := media.OpenBucket(t.Context(), where)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

const objectName = "aa11bb22cc33dd44ee55ff66007788990123456789abcdef0123456789abcdef"

func read(t testing.TB, b *media.Bucket, name string, size int64) ([]byte, error) {
	t.Helper()
	o := b.Open(t.Context(), name, size)
	defer func() { require.NoError(t, o.Close()) }()
	return io.ReadAll(o)
}

func TestAnObjectIsReadAsItWasWrittenAlsoAfterARestart(t *testing.T) {
	onBuckets(t, func(t *testing.T, where string) {
		b := openBucket(t, where)
		for _, data := range [][]byte{[]byte("one"), bytes.Repeat([]byte("many"), 1<<20)} {
			require.NoError(t, b.Write(t.Context(), objectName, media.PNG, data))
			require.NoError(t, b.Write(t.Context(), objectName, media.PNG, data), "a second time")
			got, err := read(t, openBucket(t, where), objectName, int64(len(data)))
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
		}
	})
}

func TestAnObjectIsReadFromAnywhere(t *testing.T) {
	onBuckets(t, func(t *testing.T, where string) {
		b := openBucket(t, where)
		data := make([]byte, 300_000)
		rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		require.NoError(t, b.Write(t.Context(), objectName, media.PNG, data))
		o := b.Open(t.Context(), objectName, int64(len(data)))
		defer func() { require.NoError(t, o.Close()) }()
		require.NoError(t, iotest.TestReader(o, data))
		_, err := o.Seek(-1, io.SeekStart)
		require.Error(t, err)
		_, err = o.Seek(1, io.SeekEnd)
		require.Error(t, err)
	})
}

func TestADeletedObjectIsGoneAndDeletingItAgainIsNoError(t *testing.T) {
	onBuckets(t, func(t *testing.T, where string) {
		b := openBucket(t, where)
		require.NoError(t, b.Write(t.Context(), objectName, media.PNG, []byte("x")))
		require.NoError(t, b.Delete(t.Context(), objectName))
		require.NoError(t, b.Delete(t.Context(), objectName))
		_, err := read(t, b, objectName, 1)
		require.Equal(t, apperr.NotFound, apperr.CodeOf(err))
		require.NoError(t, b.Write(t.Context(), objectName, media.PNG, []byte("y")), "it may come back")
		got, err := read(t, b, objectName, 1)
		require.NoError(t, err)
		require.Equal(t, "y", string(got))
	})
}

func TestACallThatIsGivenUpIsNoEndlessWait(t *testing.T) {
	onBuckets(t, func(t *testing.T, where string) {
		b := openBucket(t, where)
		require.NoError(t, b.Write(t.Context(), objectName, media.PNG, []byte("x")))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, b.Write(ctx, objectName, media.PNG, []byte("x")))
		got, err := read(t, b, objectName, 1)
		require.NoError(t, err, "and what was there is whole")
		require.Equal(t, "x", string(got))
	})
}

func TestAStoreThatCantBeUsedIsToldAtTheStart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	good := testkit.S3(t)
	for name, where := range map[string]string{
		"a file where the folder should be": file,
		"no such bucket":                    strings.Replace(good, "s3://", "s3://not-", 1),
		"nobody listens":                    "s3://bucket?endpoint=http://127.0.0.1:1",
		"a parameter that is none":          good + "&regoin=x",
	} {
		b, err := media.OpenBucket(t.Context(), where)
		require.Error(t, err, name)
		require.Nil(t, b)
		require.ErrorContains(t, err, "the media store", name)
	}
}

func TestAFolderIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	where := filepath.Join(t.TempDir(), "media")
	require.NoError(t, openBucket(t, where).Write(t.Context(), objectName, media.PNG, []byte("x")))
	found := 0
	require.NoError(t, filepath.Walk(where, func(path string, info os.FileInfo, err error) error {
		found++
		if info.IsDir() {
			require.Zero(t, info.Mode().Perm()&0o077, path)
		}
		return err
	}))
	require.Equal(t, 3, found, "the folder, one for the first letters, the file; no attributes beside it")
}
