// An admission webhook that allows everything and knows nothing: what a call costs at least. For `cargo xtask bench --cluster`.
//
//	emptywebhook ADDRESS CERTIFICATE KEY
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
)

type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID string `json:"uid"`
}

type response struct {
	UID     string `json:"uid"`
	Allowed bool   `json:"allowed"`
}

func allow(writer http.ResponseWriter, asked *http.Request) {
	var body review
	if err := json.NewDecoder(asked.Body).Decode(&body); err != nil || body.Request == nil {
		http.Error(writer, "not a review", http.StatusBadRequest)
		return
	}
	answer := review{
		APIVersion: body.APIVersion,
		Kind:       body.Kind,
		Response:   &response{UID: body.Request.UID, Allowed: true},
	}
	writer.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(writer).Encode(answer); err != nil {
		log.Print(err)
	}
}

func main() {
	http.HandleFunc("/", allow)
	log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[2], os.Args[3], nil))
}
