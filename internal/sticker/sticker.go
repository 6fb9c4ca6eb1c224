// Package sticker is the domain of stickers: pictures that are found by words or by
// another picture, what people say of the finds, and what the team learns from it.
package sticker
