#!/bin/sh
set -eu

BOILING=100

heat() {
    degrees=$((degrees + $1))
}

function pour {
    echo "pour() {"
}

heat 80
pour
