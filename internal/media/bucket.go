package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/s3blob" // opens s3://
	"gocloud.dev/gcerrors"

	"parley/internal/apperr"
)

// Bucket holds the bytes of pictures: a folder, or a bucket of S3 or of what speaks
// like it. Objects are named by the SHA-256 of their bytes in hex and never change.
type Bucket struct {
	bucket *blob.Bucket
	where  string
}

// OpenBucket opens a folder, which is made where it is not there, or s3://BUCKET with
// the parameters region, endpoint, prefix and those of gocloud.dev; keys come from
// AWS_ACCESS_KEY_ID and its like. It fails with a sentence when the store can't be
// reached or read.
func OpenBucket(ctx context.Context, where string) (*Bucket, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	b := &Bucket{where: where}
	var err error
	if strings.HasPrefix(where, "s3://") {
		var address string
		if address, err = s3Address(where); err == nil {
			b.bucket, err = blob.OpenBucket(ctx, address)
		}
	} else {
		// Temporary files beside the others: a rename doesn't cross file systems.
		b.bucket, err = fileblob.OpenBucket(where, &fileblob.Options{
			CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("the media store %s can't be opened: %w", where, err)
	}
	found, err := b.bucket.IsAccessible(ctx)
	if err == nil && !found {
		err = errors.New("there is no such bucket")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the media store %s can't be used: %w", where, err), b.bucket.Close())
	}
	return b, nil
}

// s3Address adds what stores that are not Amazon's need: the bucket in the path instead
// of the host, and some region. It leaves out the checksums of answers: the library
// writes a line for every object that has none.
func s3Address(where string) (string, error) {
	u, err := url.Parse(where)
	if err != nil || u.Host == "" {
		return "", errors.New("it is no s3://BUCKET")
	}
	query := u.Query()
	usual := map[string]string{"response_checksum_validation": "when_required"}
	if query.Get("endpoint") != "" {
		usual["use_path_style"], usual["region"] = "true", "us-east-1"
	}
	for name, value := range usual {
		if query.Get(name) == "" {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// Close gives back what the bucket holds open.
func (b *Bucket) Close() error { return b.bucket.Close() }

// Describe says where the bucket is.
func (b *Bucket) Describe() string { return b.where }

// key spreads the objects over folders.
func key(name string) string { return name[:2] + "/" + name }

// Write stores an object; one that is there is written anew with the same bytes.
func (b *Bucket) Write(ctx context.Context, name, contentType string, data []byte) error {
	err := b.bucket.WriteAll(ctx, key(name), data, &blob.WriterOptions{ContentType: contentType, DisableContentTypeDetection: true})
	if err != nil {
		return apperr.Wrap(err, apperr.Unavailable, "The picture can't be stored right now: try again.")
	}
	return nil
}

// Delete removes an object; one that is not there is no error.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if err := b.bucket.Delete(ctx, key(name)); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete the object %s: %w", name, err)
	}
	return nil
}

// Object reads an object as io.ReadSeeker. Nothing is fetched before the first Read,
// and no more of it is in memory than a Read is given.
type Object struct {
	ctx    context.Context //nolint:containedctx // of the one request that reads it
	bucket *Bucket
	name   string
	size   int64
	at     int64
	reader *blob.Reader
}

// Open gives an object of a known size.
func (b *Bucket) Open(ctx context.Context, name string, size int64) *Object {
	return &Object{ctx: ctx, bucket: b, name: name, size: size}
}

// Seek sets where the next Read begins.
func (o *Object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 || offset > o.size {
		return 0, fmt.Errorf("seek to %d of %d", offset, o.size)
	}
	if offset == o.at {
		return offset, nil
	}
	o.at = offset
	return offset, o.Close()
}

// Read fetches what follows.
func (o *Object) Read(p []byte) (int, error) {
	if o.at >= o.size {
		return 0, io.EOF
	}
	if o.reader == nil {
		r, err := o.bucket.bucket.NewRangeReader(o.ctx, key(o.name), o.at, -1, nil)
		if gcerrors.Code(err) == gcerrors.NotFound {
			return 0, apperr.NotFoundf("The picture's bytes are gone.")
		} else if err != nil {
			return 0, apperr.Wrap(err, apperr.Unavailable, "The picture can't be read right now: try again.")
		}
		o.reader = r
	}
	n, err := o.reader.Read(p)
	o.at += int64(n)
	return n, err
}

// Close gives back what is open; reading goes on where it was.
func (o *Object) Close() error {
	if o.reader == nil {
		return nil
	}
	r := o.reader
	o.reader = nil
	return r.Close()
}
