package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"parley/internal/apperr"
)

// upload takes operations with files by the GraphQL multipart request
// convention, https://github.com/jaydenseric/graphql-multipart-request-spec:
// the parts operations, map, then one part per file, which a spool holds. gqlgen's own
// transport panics on a map that does not fit.
type upload struct{ profile }

// maxFiles bounds the files of one request, maxBulkFiles those of a signed-in person.
const (
	maxFiles     = 10
	maxBulkFiles = 50
)

// Supports tells whether the request is one.
func (upload) Supports(r *http.Request) bool {
	return r.Method == http.MethodPost && mediaType(r) == "multipart/form-data"
}

// Do answers it.
func (u upload) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	start := graphql.Now()
	files := &spool{}
	defer files.close()
	params, err := readMultipart(r, files)
	var told *apperr.Error
	switch {
	case errors.Is(err, errDisk):
		slog.ErrorContext(r.Context(), "the files of a request can't be put down", "error", err)
		refuse(w, http.StatusServiceUnavailable, apperr.New(apperr.Unavailable, "The files can't be taken right now: try again."))
		return
	case errors.As(err, &told):
		u.refuse(w, r, malformed, told)
		return
	case err != nil:
		u.refuseBody(w, r, err, "The multipart body can't be read.")
		return
	}
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	u.answer(w, r, exec, params)
}

func readMultipart(r *http.Request, files *spool) (*graphql.RawParams, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	params := &graphql.RawParams{}
	if err := readField(parts, "operations", params); err != nil {
		return nil, err
	}
	places := map[string][]string{}
	if err := readField(parts, "map", &places); err != nil {
		return nil, err
	}
	if most := mostFiles(r.Context()); len(places) > most {
		return nil, apperr.New(apperr.BadInput, "A request has at most %d files.", most)
	}
	for len(places) > 0 {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, apperr.New(apperr.BadInput, "A file that the map names is missing.")
		} else if err != nil {
			return nil, err
		}
		content, err := files.add(part)
		if err != nil {
			return nil, err
		}
		for _, place := range places[part.FormName()] {
			file := graphql.Upload{
				File: content.open(), Size: content.size,
				Filename: part.FileName(), ContentType: part.Header.Get("Content-Type"),
			}
			if err := put(params, place, file); err != nil {
				return nil, err
			}
		}
		delete(places, part.FormName())
	}
	return params, nil
}

// readField reads the next part, which must have the name and hold JSON.
func readField(parts *multipart.Reader, name string, into any) error {
	part, err := parts.NextPart()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err != nil || part.FormName() != name {
		return apperr.New(apperr.BadInput, "The multipart request needs the parts operations, map and the files, in this order.")
	}
	err = decode(part, into)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &kind) {
		return apperr.Wrap(err, apperr.BadInput, "The part %s is not the JSON that it should be.", name)
	}
	return err
}

// put sets the variable that a path such as variables.input.file names.
func put(params *graphql.RawParams, place string, file graphql.Upload) error {
	bad := apperr.New(apperr.BadInput, "The map names %.60q, which is no variable of the operation.", place)
	steps := strings.Split(place, ".")
	if len(steps) < 2 || steps[0] != "variables" || params.Variables == nil {
		return bad
	}
	var at any = params.Variables
	for i, step := range steps[1:] {
		last := i == len(steps)-2
		switch box := at.(type) {
		case map[string]any:
			if last {
				box[step] = file
			}
			at = box[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(box) {
				return errors.Join(bad, fmt.Errorf("step %d", i))
			}
			if last {
				box[n] = file
			}
			at = box[n]
		default:
			return bad
		}
	}
	return nil
}
