package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// checkContent reads a file to its end and compares it with what f says: its length, and
// the SHA-256 or the SHA-1 of git where one is known. It gives the SHA-256. The error
// wraps ErrUntrusted where the content differs.
func checkContent(ctx context.Context, f File, content io.Reader) (sum string, err error) {
	sha, blob := sha256.New(), sha1.New()
	fmt.Fprintf(blob, "blob %d\x00", f.Size)
	into := io.Writer(sha)
	if f.SHA256 == "" && f.Blob != "" {
		into = io.MultiWriter(sha, blob)
	}
	n, err := io.CopyBuffer(into, &contextReader{ctx: ctx, from: content}, make([]byte, 1<<20))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", f.Path, err)
	}
	sum = hex.EncodeToString(sha.Sum(nil))
	wrong := func(what, got, want string) error {
		return fmt.Errorf("%w: the %s of %s is %s instead of %s; run the command again, and take another mirror if it stays so", ErrUntrusted, what, f.Path, got, want)
	}
	switch got := hex.EncodeToString(blob.Sum(nil)); {
	case n != f.Size:
		return "", wrong("length", fmt.Sprint(n), fmt.Sprint(f.Size))
	case f.SHA256 != "" && !strings.EqualFold(sum, f.SHA256):
		return "", wrong("SHA-256", sum, f.SHA256)
	case f.SHA256 == "" && f.Blob != "" && !strings.EqualFold(got, f.Blob):
		return "", wrong("SHA-1", got, f.Blob)
	}
	return sum, nil
}

// contextReader ends with a context.
type contextReader struct {
	ctx  context.Context
	from io.Reader
}

func (r *contextReader) Read(into []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(into)
}
