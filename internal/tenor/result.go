package tenor

import (
	"parley/internal/media"
	"parley/internal/sticker"
)

// result is a sticker as clients of Tenor read it.
type result struct {
	ID           string            `json:"id"`
	Title        string            `json:"title"`
	MediaFormats map[string]medium `json:"media_formats"`
	// Created is in seconds since 1970.
	Created     float64 `json:"created"`
	Description string  `json:"content_description"`
	// Source is CAPTION, or NAME for a description that is made of the name.
	Source   string   `json:"content_description_source"`
	ItemURL  string   `json:"itemurl"`
	URL      string   `json:"url"`
	Tags     []string `json:"tags"`
	Flags    []string `json:"flags"`
	HasAudio bool     `json:"hasaudio"`
	// Licence is parley's own field: what must be said of the picture.
	Licence *string `json:"licence,omitempty"`
}

// medium is a file of a sticker.
type medium struct {
	URL string `json:"url"`
	// Duration is in seconds, 0 for what does not move.
	Duration float64 `json:"duration"`
	Preview  string  `json:"preview"`
	// Dims are width and height in pixels.
	Dims [2]int `json:"dims"`
	// Size is in bytes.
	Size int64 `json:"size"`
}

// formats are the names of Tenor's formats that are pictures. Clients read one or two of
// them, whatever else there is, so that each has the one file that a sticker has.
var formats = []string{
	"preview", "gif", "mediumgif", "tinygif", "nanogif", "gif_transparent", "tinygif_transparent", "nanogif_transparent",
	"webp_transparent", "tinywebp_transparent", "nanowebp_transparent",
}

// ownFormats are the names of what the files are.
var ownFormats = map[string]string{media.PNG: "png", media.JPEG: "jpeg"}

// result gives a sticker with the formats that are wanted.
func (q *request) result(one *sticker.Sticker) result {
	address := q.base + one.URL
	r := result{
		ID: one.ID, Title: one.Name, MediaFormats: map[string]medium{}, Created: float64(one.CreatedAt.UnixMicro()) / 1e6,
		Description: one.Caption, Source: "CAPTION", ItemURL: address, URL: address,
		Tags: append([]string{}, one.Tags...), Flags: []string{"sticker", "static"}, Licence: one.Licence,
	}
	if r.Description == "" {
		r.Description, r.Source = sticker.Spoken(one.Name), "NAME"
	}
	wanted := q.formats()
	file := medium{URL: address, Dims: [2]int{one.Width(), one.Height()}, Size: one.Picture.Bytes}
	for _, name := range append([]string{ownFormats[one.Picture.ContentType]}, formats...) {
		if wanted == nil || wanted[name] {
			r.MediaFormats[name] = file
		}
	}
	return r
}

// results is a page of stickers.
type results struct {
	// Next is what to give as pos for the page that follows, empty after the last.
	Next    string   `json:"next"`
	Results []result `json:"results"`
}

// terms are words to search for.
type terms struct {
	Results []string `json:"results"`
}
