"""The journeys of a person on the explorer's page, on a page that no server answers: the tests of test_explorer_page.py with a
published site in the place of the server. Left out is what a static page does not have: tokens, other connections."""

import pytest
from explorer_browser import Tab, browser  # noqa: F401
from published import loaded, site_address  # noqa: F401
from test_explorer_page import (  # noqa: F401
    test_a_lesson_s_link_hides_what_it_does_not_need,
    test_a_link_restores_the_face_and_holds_no_token,
    test_a_locked_attribute_stays_where_it_is,
    test_a_lying_picture_is_refused,
    test_a_morph_is_played_reordered_and_saved,
    test_a_page_of_320_pixels_needs_no_sideways_scrolling,
    test_a_panel_that_was_hidden_shows_the_values_of_the_new_face,
    test_a_photo_without_a_detected_face_is_aligned_by_hand,
    test_a_picture_carries_its_state_and_provenance_and_restores_it,
    test_a_turned_photo_is_upright,
    test_another_space_can_be_opened,
    test_axe_finds_nothing,
    test_dragging_a_slider_shows_each_step,
    test_every_button_and_number_explains_itself,
    test_everything_works_by_keyboard_alone,
    test_lying_files_are_refused_and_the_face_stays,
    test_no_wording_of_the_meter_changes_how_large_the_face_is,
    test_reset_returns_an_attribute_to_the_original_face,
    test_saved_faces_stay_in_this_browser,
    test_sliders_move_the_face_and_undo_brings_it_back,
    test_the_card_says_what_the_space_is,
    test_the_map_loads_faces_and_the_lasso_gathers_them,
    test_the_tour_can_be_skipped_and_does_not_come_back,
    test_undo_and_the_face_survive_a_reload,
    test_undo_brings_the_original_back_too,
    test_what_is_no_picture_is_told,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(site_address) -> str:
    return site_address


@pytest.fixture
def tab(browser, address):
    made = Tab(browser, address).ready()
    yield loaded(made)
    made.context.close()
    assert made.errors == []
